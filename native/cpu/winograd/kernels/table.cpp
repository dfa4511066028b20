#include "core/integers.h"
#include "cpu/winograd/kernels/accumulate.h"
#include "cpu/winograd/kernels/gradient-transforms.h"
#include "cpu/winograd/kernels/multiply.h"
#include "cpu/winograd/kernels/transforms.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

/// Two vectors a panel give the micro-kernel the most rows; three waste fewer lanes for 48 or 144 channels.
int panelVectors(std::int64_t channelsOut) {
  const auto count = divideUp<std::int64_t>(channelsOut, kLanes);
  if (count == 1) return 1;
  return roundUp(count, 2) <= roundUp(count, 3) ? 2 : 3;
}

extern const Kernels kernels;
const Kernels kernels = {
    .lanes = kLanes,
    .panelVectors = panelVectors,
    .transformInput = transformInput,
    .transformFilter = transformFilter,
    .multiply = {nullptr, multiply<1>, multiply<2>, multiply<3>, multiply<4>},
    .transformOutput = transformOutput,
    .transformGradient = transformGradient,
    .accumulate = {nullptr, accumulate<1>, accumulate<2>, accumulate<3>, accumulate<4>},
    .transformFilterGradient = transformFilterGradient,
};

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA
