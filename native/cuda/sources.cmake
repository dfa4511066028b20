# Sets cpp_sources and kernel_sources to what the backend is compiled from, by nvcc or for the emulation, and
# hopper_sources to kernels of instructions that GPUs of compute capability 9.0 alone have.
file(GLOB cpp_sources CONFIGURE_DEPENDS
  ${CMAKE_CURRENT_LIST_DIR}/*.cpp ${CMAKE_CURRENT_LIST_DIR}/ops/*.cpp ${CMAKE_CURRENT_LIST_DIR}/conv/*.cpp
  ${CMAKE_CURRENT_LIST_DIR}/cudnn/*.cpp)
list(FILTER cpp_sources EXCLUDE REGEX "/absent\\.cpp$")
join_sources(cpp_sources cuda.cpp 3 ${cpp_sources})
file(GLOB kernel_sources CONFIGURE_DEPENDS
  ${CMAKE_CURRENT_LIST_DIR}/conv/*.cu ${CMAKE_CURRENT_LIST_DIR}/cudnn/*.cu ${CMAKE_CURRENT_LIST_DIR}/ops/*.cu)
set(hopper_sources ${kernel_sources})
list(FILTER hopper_sources INCLUDE REGEX "/warpgroup-[^/]*-(bfloat16|float16|tf32)\\.cu$")
list(FILTER kernel_sources EXCLUDE REGEX "/warpgroup-[^/]*-(bfloat16|float16|tf32)\\.cu$")
# These take as long as all others of a file.
set(long_sources ${kernel_sources})
list(FILTER long_sources INCLUDE REGEX "/weighted-sums")
list(FILTER kernel_sources EXCLUDE REGEX "/weighted-sums")
join_sources(kernel_sources kernels.cu 6 ${kernel_sources})
join_sources(hopper_sources hopper-kernels.cu 2 ${hopper_sources})
list(PREPEND kernel_sources ${long_sources})
