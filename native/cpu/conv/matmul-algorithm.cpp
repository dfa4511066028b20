// 1×1 convolutions of stride 1 as oneDNN's product of a (pixels, C) and a (C, O) matrix.
//
// oneDNN multiplies rows with gaps at half its speed. So slices are copied, but by pieces that stay in cache:
// then the copies cost little.
//
// GFLOP/s of one core with AVX-512 and AMX, on 65×129 pixels, against oneDNN's own 1×1 convolution:
//
//                            1024→256  256→1024  2048→512  512→2048  512→128  128→512
//   float32   matmul              162       144       164       156      171      136
//             convolution         168       152       162       152      171      146
//   bfloat16  matmul             1230      1138       806       905     1139      841
//             convolution        1102      1034       897       495     1056      846
//
// 512→256 on 128×256 pixels that are half the channels of a wider tensor: matmul in pieces 150 in float32,
// 735 in bfloat16; convolution of a whole copy 135 and 466.

#include <algorithm>

#include "core/integers.h"
#include "cpu/conv/algorithm.h"
#include "cpu/conv/dnnl-step.h"

namespace ocrnet::cpu::conv {

namespace {

/// Time relative to oneDNN's convolution, from the table above.
constexpr double kShareInFloat32 = 1.01, kShareInBfloat16 = 0.9;

/// Of x and y together: fits a core's second-level cache, with the filter.
constexpr std::int64_t kPieceBytes = 512 << 10;
/// Pixels: whole blocks of oneDNN's kernels.
constexpr std::int64_t kPieceMultiple = 16;

/// Pixels for a piece, so that all workers get equally many pieces.
std::int64_t piecePixels(const Convolution& c, int workers) {
  const std::int64_t pixels = c.outputPixels();
  const std::int64_t pixelBytes =
      c.channelsIn * bytesPerElement(c.inputType) + c.channelsOut * bytesPerElement(c.outputType);
  const std::int64_t most = std::max(kPieceBytes / pixelBytes, kPieceMultiple);
  const std::int64_t pieces = roundUp(divideUp(pixels, most), workers);
  return std::min(roundUp(divideUp(pixels, pieces), kPieceMultiple), pixels);
}

DnnlSchedule schedule(const Problem& problem, const Device& device) {
  const Convolution& c = problem.convolution;
  const std::int64_t pixels = c.outputPixels();
  if (!problem.inputIsSlice() && !problem.outputIsSlice()) {
    return {matmulKernel(c, pixels, device.threads), nullptr, pixels, pixels, 1};
  }
  const std::int64_t piece = piecePixels(c, device.threads), rest = pixels % piece;
  DnnlSchedule plan{matmulKernel(c, piece, 1), nullptr, piece, piece, device.threads};
  if (rest > 0) plan.rest = matmulKernel(c, rest, 1, plan.piece.get());
  return plan;
}

bool supports(const Problem& problem, const Device&) {
  const Convolution& c = problem.convolution;
  return c.kernelHeight == 1 && c.kernelWidth == 1 && c.stride == 1 && c.padding == 0 && c.groups == 1;
}

Estimate estimate(const Problem& problem, const Device& device) {
  const DnnlSchedule plan = schedule(problem, device);
  const double slowdown = plan.piece->isReference() ? kReferenceSlowdown : 1;
  const double share =
      problem.convolution.inputType == DataType::bfloat16 ? kShareInBfloat16 : kShareInFloat32;
  return {
      .name = "matmul " + plan.piece->implementation,
      .cost = problem.convolution.flops() * slowdown * share,
      .scratchBytes = scratchBytes(problem, plan),
  };
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription& description,
                                      const Device& device, Weights& weights) {
  return makeDnnlStep(problem, schedule(problem, device), description, device, weights);
}

}  // namespace

const Algorithm matmulAlgorithm{supports, estimate, prepare};

}  // namespace ocrnet::cpu::conv
