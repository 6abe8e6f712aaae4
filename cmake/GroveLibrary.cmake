# SPDX-License-Identifier: Apache-2.0
# grove_library(<module> [BASE dir] PUBLIC_DEPS ... PRIVATE_DEPS ... HEADERS ... SOURCES ...)
# Declares one module: a static library grove_<module>, alias grove::<module>, with its public headers.
# A module's headers are visible only through its target, so the link graph is the include graph.

add_library(grove_warnings INTERFACE)
target_compile_options(grove_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion $<$<BOOL:${GROVE_WERROR}>:-Werror>)

find_program(GROVE_CCACHE ccache)
if(GROVE_CCACHE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${GROVE_CCACHE}")
endif()
# g++ collects its garbage from 128 MB on, and finds little: 7 % of the time that a test takes to compile.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND PROJECT_IS_TOP_LEVEL)
  add_compile_options(--param=ggc-min-heapsize=400000)  # KB
endif()
# Linked by GNU ld, not by lld, quick as that is. GCC 12 leaves parts of functions that are empty; when
# one has the address of a function, lld 14 has its frame entry, which covers nothing, in the table
# that exceptions find their way by, and not the function's: one that comes by ends the program.

function(grove_library module)
  cmake_parse_arguments(arg "" "" "PUBLIC_DEPS;PRIVATE_DEPS;HEADERS;SOURCES" ${ARGN})
  set(target grove_${module})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(grove::${module} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC_DEPS}
    PRIVATE ${arg_PRIVATE_DEPS} $<BUILD_INTERFACE:grove_warnings>)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${module}
    POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  set_property(GLOBAL APPEND PROPERTY GROVE_TARGETS ${target})
endfunction()
