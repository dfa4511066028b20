// What Winograd costs against a direct convolution: cycles of one core for one vector of channels, measured
// on Sapphire Rapids with operands in the second-level cache (all three transforms wait for their 36
// scattered lines rather than for arithmetic). Against measurements the result is 5 to 30 % too low.

#include <algorithm>

#include "core/integers.h"
#include "cpu/winograd/schedule.h"

namespace ocrnet::cpu::winograd {

namespace {

constexpr double kInputCycles = 220, kFilterCycles = 250, kOutputCycles = 170;
constexpr double kProductsPerCycle = 1.45, kDirectProductsPerCycle = 1.65;  // vector FMAs
constexpr double kStartCycles = 50000, kDirectStartCycles = 10000;  // of each thread: barriers, cold scratch

}  // namespace

double relativeCost(const Problem& problem, const Device& device) {
  const Kernels& kernels = kernelsFor(device.isa);
  const int threads = device.threads;
  const Schedule cut = schedule(problem, threads, kernels);
  const double tiles = static_cast<double>(cut.tiles), lanes = kernels.lanes;
  const double vectorsIn = static_cast<double>(divideUp(problem.channelsIn, kernels.lanes));
  const double vectorsOut = static_cast<double>(divideUp(problem.channelsOut, kernels.lanes));
  const double paddedVectorsOut = static_cast<double>(cut.panels * cut.panelVectors);

  // Cycles of one core. All of it is shared evenly but the products, which wait for the busiest worker.
  const double busiest =
      static_cast<double>(divideUp(cut.panels, cut.members) * divideUp(cut.tiles, cut.groups)) * threads /
      static_cast<double>(cut.panels * cut.tiles);
  const double products =
      tiles * kPoints * problem.channelsIn * paddedVectorsOut * busiest / kProductsPerCycle;
  const double filters = problem.channelsIn * paddedVectorsOut * kFilterCycles *
                         (cut.keepFilter ? 1.0 : static_cast<double>(cut.steps * cut.groups));
  const double transforms =
      tiles * (vectorsIn * kInputCycles + vectorsOut * kOutputCycles) + kStartCycles * threads;

  const double pixels = static_cast<double>(problem.batch * problem.outputHeight() * problem.outputWidth());
  const double direct = pixels * kTaps * problem.channelsIn *
                            std::max(vectorsOut, problem.channelsOut / lanes) / kDirectProductsPerCycle +
                        kDirectStartCycles * threads;
  return (products + filters + transforms) / direct;
}

}  // namespace ocrnet::cpu::winograd
