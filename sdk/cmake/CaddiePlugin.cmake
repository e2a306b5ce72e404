# caddie_add_plugin(NAME SOURCES... [LIBRARIES ...]): one plugin file, NAME.so, that exports caddie_entry_v1 alone.
set(CADDIE_PLUGIN_EXPORTS "${CMAKE_CURRENT_LIST_DIR}/plugin-exports.map")

function(caddie_add_plugin name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  add_library(${name} MODULE ${arg_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${name} PRIVATE caddie::sdk ${arg_LIBRARIES})
  target_link_options(${name} PRIVATE "LINKER:--version-script=${CADDIE_PLUGIN_EXPORTS}")
  if(NOT CADDIE_SANITIZE)
    target_link_options(${name} PRIVATE "LINKER:-z,defs")
  endif()
  if(NOT TARGET caddie::flags) # elsewhere: no paths in the file, so that every folder gives the same bytes
    target_compile_options(${name} PRIVATE
      "-ffile-prefix-map=${CMAKE_BINARY_DIR}=." "-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=.")
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${name} PRIVATE -fno-gnu-unique)
  endif()
  target_compile_definitions(${name} PRIVATE
    "CADDIE_BUILD_INFO=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_BUILD_TYPE}\"")
endfunction()

# caddie_check_plugin(NAME [GOLDEN FILES...] [ARGUMENTS ...]): a test that runs `caddie plugins check` on the plugin, with
# the numbers of these files. CADDIE_PROGRAM is the program, found by find_package(Caddie).
function(caddie_check_plugin name)
  cmake_parse_arguments(arg "" "" "GOLDEN;ARGUMENTS" ${ARGN})
  set(golden "")
  foreach(file ${arg_GOLDEN})
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND golden --golden ${file})
  endforeach()
  add_test(NAME check-${name} COMMAND ${CADDIE_PROGRAM} plugins check $<TARGET_FILE:${name}> ${golden} ${arg_ARGUMENTS})
endfunction()
