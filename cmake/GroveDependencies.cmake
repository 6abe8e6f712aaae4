# SPDX-License-Identifier: Apache-2.0
# Every package Grove builds on, found once. A consumer finds the same ones through groveConfig.cmake.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(cppzmq REQUIRED)
find_package(msgpack-cxx QUIET)
if(NOT TARGET msgpack-cxx)
  find_package(msgpack REQUIRED NAMES msgpack msgpackc-cxx)  # names before version 5
endif()
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
find_package(Asio REQUIRED)
if(GROVE_MIMALLOC)
  find_package(mimalloc 2 REQUIRED)
endif()
