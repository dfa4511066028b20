// Compiled once for each instruction set, with -DOCRNET_ISA=portable, avx2 or avx512 and the flags for it.

#include "cpu/winograd/kernels.h"

#include "cpu/winograd/multiply.h"
#include "cpu/winograd/transforms.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

/// Two vectors a panel give the micro-kernel the most rows; three waste fewer lanes for 48 or 144 channels.
int panelVectors(int64_t channelsOut) {
  const int64_t count = (channelsOut + kLanes - 1) / kLanes;
  if (count == 1) return 1;
  return (count + 1) / 2 * 2 <= (count + 2) / 3 * 3 ? 2 : 3;
}

extern const Kernels kernels;
const Kernels kernels = {
    kLanes,
    panelVectors,
    transformInput,
    transformFilter,
    {nullptr, multiply<1>, multiply<2>, multiply<3>, multiply<4>},
    transformOutput,
};

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA
