# SPDX-License-Identifier: Apache-2.0
# Every package Grove is made of. An installed Grove needs the first part only, to link with.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(cppzmq REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
if(GROVE_MIMALLOC)
  find_package(mimalloc 2 REQUIRED)
endif()

if(NOT GROVE_INSTALLED)
  find_package(msgpack-cxx QUIET)
  if(TARGET msgpack-cxx)
    add_library(msgpackc-cxx ALIAS msgpack-cxx)
  else()
    find_package(msgpack REQUIRED NAMES msgpack msgpackc-cxx)  # its names before version 5
  endif()
  find_package(nlohmann_json REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(Asio REQUIRED)
endif()
