#include "cpu/kernels/region-rows.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

void sumRegionGradients(const SpatialSoftmaxGradient& s, Range pixels, float* sum) {
  fill(s.row, s.classes * kLanes, 0);
  eachRegionVector(s.classes, pixels, [&](std::int64_t at, std::int64_t i, auto lanes) {
    store(s.row + i, fma(load(s.regions + at, lanes), load(s.dRegions + at, lanes), load(s.row + i)), lanes);
  });
  sumRow(s.row, s.classes, sum);
}

void spatialSoftmaxGradient(const SpatialSoftmaxGradient& s, Range pixels, const float* sum) {
  repeat(sum, s.classes, s.row);
  const Vec scale = broadcast(s.scale);
  eachRegionVector(s.classes, pixels, [&](std::int64_t at, std::int64_t i, auto lanes) {
    const Vec difference = sub(load(s.dRegions + at, lanes), load(s.row + i));
    store(s.dLogits + at, mul(mul(scale, load(s.regions + at, lanes)), difference), lanes);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA
