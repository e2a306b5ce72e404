# Build options and the house flags. Every target of ours links caddie::flags.
option(CADDIE_TESTS "Build the tests" ON)
option(CADDIE_FUZZ "Build the fuzzers (preset fuzz)" OFF)
set(CADDIE_SANITIZE "" CACHE STRING "Sanitizers, for example address,undefined or thread")

add_library(caddie_flags INTERFACE)
add_library(caddie::flags ALIAS caddie_flags)
target_compile_options(caddie_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Werror
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
# One rounding for every build: no contraction the source does not spell out.
target_compile_options(caddie_flags INTERFACE -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns wrongly about std::string::insert and friends (GCC bug 105651).
  target_compile_options(caddie_flags INTERFACE -Wno-restrict)
endif()
if(CADDIE_SANITIZE)
  target_compile_options(caddie_flags INTERFACE
    -fsanitize=${CADDIE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(caddie_flags INTERFACE -fsanitize=${CADDIE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Under sanitizers GCC 12 takes moved vectors inside std::variant for uninitialised.
    target_compile_options(caddie_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# -O2 everywhere; kernels ask for more themselves, tests for less: they are compiled more often than they run.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CADDIE_CCACHE ccache)
if(CADDIE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CADDIE_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CADDIE_CCACHE})
endif()
find_program(CADDIE_MOLD mold)
if(CADDIE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
