# join_sources(RESULT COUNT SOURCES...): COUNT files that include the sources in turn. Most of what a compiler does for
# a small file is to read headers: joined they compile in less than half the time. So names differ from file to file,
# those in anonymous namespaces too.
function(join_sources result count)
  set(units "")
  math(EXPR last "${count} - 1")
  foreach(unit RANGE ${last})
    set(includes "")
    set(place 0)
    foreach(source IN LISTS ARGN)
      math(EXPR turn "${place} % ${count}")
      if(turn EQUAL unit)
        string(APPEND includes "#include \"${source}\"\n")
      endif()
      math(EXPR place "${place} + 1")
    endforeach()
    file(CONFIGURE OUTPUT kernels-${unit}.cu CONTENT "${includes}" @ONLY)
    list(APPEND units ${CMAKE_CURRENT_BINARY_DIR}/kernels-${unit}.cu)
  endforeach()
  set(${result} ${units} PARENT_SCOPE)
endfunction()

# Sets cpp_sources and kernel_sources to what the backend is compiled from, by nvcc or for the emulation.
file(GLOB cpp_sources CONFIGURE_DEPENDS
  ${CMAKE_CURRENT_LIST_DIR}/*.cpp ${CMAKE_CURRENT_LIST_DIR}/ops/*.cpp ${CMAKE_CURRENT_LIST_DIR}/conv/*.cpp)
list(FILTER cpp_sources EXCLUDE REGEX "/absent\\.cpp$")
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/conv/*.cu ${CMAKE_CURRENT_LIST_DIR}/ops/*.cu)
# These take as long as all others of a file.
set(long_sources ${kernel_sources})
list(FILTER long_sources INCLUDE REGEX "/weighted-sums")
list(FILTER kernel_sources EXCLUDE REGEX "/weighted-sums")
join_sources(kernel_sources 8 ${kernel_sources})
list(PREPEND kernel_sources ${long_sources})
