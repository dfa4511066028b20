// Whether the tests would notice a mistake in the matrix products of convolutions: kernels with one planted
// (a barrier left out, memory used again too early, a bound off by one) must fail under at least one schedule
// of the emulation, and the same kernels without a mistake under none.

#include <cstdio>

#ifndef OCRNET_EMULATION
int main() { std::printf("mistakes are planted in the emulation alone\n"); }
#else

#include "cuda-convolution.h"
#include "cuda/conv/filter-gradient-gemm-launch.h"
#include "cuda/conv/implicit-gemm-launch.h"
#include "cuda/conv/warpgroup-filter-gradient-launch.h"
#include "cuda/conv/warpgroup-gemm-launch.h"
#include "moments-reference.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;
using cuda::conv::BFloat16Products, cuda::conv::Float32Products, cuda::conv::SmallTile;
using cuda::conv::Mistake;

/// Some steps of depth, rows for both warpgroups, and tiles with room for a row and a column too many.
const ConvolutionCase kCase{1, 9, 11, 40, 72, 3, 1, 1, 1, 1};

template <Mistake mistake>
const cuda::Op kConvolution{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      const cuda::conv::Problem problem = cuda::conv::describeConvolution(step);
      return {0, "mistaken", cuda::conv::implicitGemmSmall.estimate(problem, device).scratchBytes};
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters& parameters) {
          const cuda::conv::Problem problem = cuda::conv::describeConvolution(step);
          const cuda::conv::LaunchImplicitGemm launches[] = {
              [](const cuda::conv::ImplicitGemm& gemm, bool, int, cudaStream_t stream) {
                cuda::conv::launchTiles<Float32Products, SmallTile, 4, mistake>(gemm, stream);
              },
              [](const cuda::conv::ImplicitGemm& gemm, bool, int, cudaStream_t stream) {
                cuda::conv::launchTiles<BFloat16Products, SmallTile, 16, mistake>(gemm, stream);
              }};
          return cuda::conv::prepareImplicitGemm(problem, step, device, parameters, false,
                                                 launches[problem.sourceType == DataType::bfloat16]);
        }};

template <class Tile, Mistake mistake>
const cuda::Op kWarpgroups{
    .choose = [](const StepDescription&, const cuda::Device&) -> Choice {
      return {0, "mistaken", 0};  // the filter is a parameter
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters& parameters) {
          const auto launch = [](const cuda::conv::WarpgroupGemm& gemm, int, int blocks,
                                 cudaStream_t stream) {
            cuda::conv::launchWarpgroupTiles<BFloat16, Tile, mistake>(gemm, blocks, stream);
          };
          return cuda::conv::prepareWarpgroupGemm<Tile>(cuda::conv::describeConvolution(step), step, device,
                                                        parameters, launch);
        }};

template <Mistake mistake>
const cuda::Op kFilterGradient{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      const cuda::conv::Problem problem = cuda::conv::describeFilterGradient(step);
      return {0, "mistaken", cuda::conv::filterGradientGemmSmall.estimate(problem, device).scratchBytes};
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters&) {
          const cuda::conv::Problem problem = cuda::conv::describeFilterGradient(step);
          const cuda::conv::LaunchFilterGradientGemm launches[] = {
              [](const cuda::conv::FilterGradientGemm& gemm, bool, int, int parts, cudaStream_t stream) {
                cuda::conv::launchTiles<Float32Products, SmallTile, 4, mistake>(gemm, parts, stream);
              },
              [](const cuda::conv::FilterGradientGemm& gemm, bool, int, int parts, cudaStream_t stream) {
                cuda::conv::launchTiles<BFloat16Products, SmallTile, 16, mistake>(gemm, parts, stream);
              }};
          return cuda::conv::prepareFilterGradientGemm(problem, device, false,
                                                       launches[problem.sourceType == DataType::bfloat16]);
        }};

/// By one cluster, which has more steps than stages.
template <class Tile, const cuda::conv::Algorithm& right, Mistake mistake>
const cuda::Op kWarpgroupsGradient{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      const cuda::conv::Problem problem = cuda::conv::describeFilterGradient(step);
      return {0, "mistaken", right.estimate(problem, device).scratchBytes};
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters&) {
          const auto launch = [](const cuda::conv::WarpgroupFilterGradient& gradient, int, int,
                                 cudaStream_t stream) {
            cuda::conv::launchGradientTiles<BFloat16, Tile, mistake>(gradient, Tile::cluster, stream);
          };
          return cuda::conv::prepareWarpgroupFilterGradient<Tile>(cuda::conv::describeFilterGradient(step),
                                                                  device, launch);
        }};

/// Throws where something is wrong.
void convolve(const cuda::Op& op, const Configuration& configuration) {
  const DataType type = configuration.type;
  const Values x = randomValues(type, kCase.x()), filter = randomValues(DataType::float32, kCase.filter());
  SumsReference expected(kCase.y());
  eachProduct(kCase,
              [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(j, x[i] * filter[w]); });
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{1, 1, 1, 1, Activation::none, 0, OutputType::same});
  runner.onCuda(op).input(type, kCase.x(), x).parameter("filter", kCase.filter(), filter);
  runner.absentInput().absentInput().output(type, kCase.y(), 8);
  expected.requireNear(runner.run(configuration).front(), configuration.tolerance());
}

void findMoments(const cuda::Op& op, const Configuration& configuration) {
  const DataType type = configuration.type;
  OpRunner runner(Opcode::conv2dMoments, Conv2dMomentsAttributes{1, 1, 1, 1});
  runner.onCuda(op).input(type, kCase.x(), randomValues(type, kCase.x()));
  runner.parameter("filter", kCase.filter(), randomValues(DataType::float32, kCase.filter()));
  runner.input(DataType::float32, {kCase.channelsOut}, randomValues(DataType::float32, {kCase.channelsOut}));
  runner.output(type, kCase.y(), 8);
  runner.output(DataType::float32, momentsShape(kCase.y()));
  runner.output(DataType::float32, momentsShape(kCase.y()));
  const std::vector<Values> outputs = runner.run(configuration);
  MomentsReference(outputs[0], kCase.channelsOut).requireNear(outputs[1], outputs[2]);
}

void differentiate(const cuda::Op& op, const Configuration& configuration) {
  const DataType type = configuration.type;
  const Values x = randomValues(type, kCase.x()), dy = randomValues(type, kCase.y());
  SumsReference expected(kCase.filter());
  eachProduct(kCase, [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(w, x[i] * dy[j]); });
  OpRunner runner(Opcode::conv2dFilterGradient, Conv2dFilterGradientAttributes{1, 1, 1, 1, 3, 3});
  runner.onCuda(op).input(type, kCase.x(), x).input(type, kCase.y(), dy);
  runner.output(DataType::float32, kCase.filter());
  expected.requireNear(runner.run(configuration).front(), configuration.tolerance());
}

using Run = void (*)(const cuda::Op&, const Configuration&);

/// Of the three schedules, those under which `run` fails.
int failingSchedules(Run run, const cuda::Op& op, DataType type) {
  int failing = 0;
  for (const Schedule schedule : {Schedule::ordinary, Schedule::reversed, Schedule::random}) {
    try {
      run(op, {Processor::cuda, cpu::bestIsa(), 1, schedule, type, 0});
    } catch (const std::exception&) {
      ++failing;
    }
  }
  return failing;
}

int wrong = 0;

struct Kernel {
  const char* name;
  Run run;
  const cuda::Op& op;
  std::vector<DataType> types;
};

void check(const char* name, bool fails, const std::vector<Kernel>& kernels) {
  for (const auto& [kernel, run, op, types] : kernels) {
    for (const DataType type : types) {
      const int failing = failingSchedules(run, op, type);
      if ((failing > 0) == fails) continue;
      std::printf("%s, %s, %s: %d schedules fail\n", kernel, name,
                  type == DataType::float32 ? "float32" : "bfloat16", failing);
      ++wrong;
    }
  }
}

/// Of pairs of blocks.
template <Mistake mistake>
std::vector<Kernel> clusters() {
  using namespace cuda::conv;
  constexpr auto& gradient = kWarpgroupsGradient<GradientTile256, warpgroupFilterGradient256, mistake>;
  return {{"convolution by clusters", convolve, kWarpgroups<GemmTile256, mistake>, {DataType::bfloat16}},
          {"filter gradient by clusters", differentiate, gradient, {DataType::bfloat16}}};
}

/// Of those that find moments, too.
template <Mistake mistake>
std::vector<Kernel> withMoments() {
  using namespace cuda::conv;
  return {{"moments", findMoments, kConvolution<mistake>, {DataType::float32, DataType::bfloat16}},
          {"moments by warpgroups", findMoments, kWarpgroups<GemmTile64, mistake>, {DataType::bfloat16}}};
}

template <Mistake mistake>
void check(const char* name) {
  using namespace cuda::conv;
  constexpr auto& gradient = kWarpgroupsGradient<GradientTile64, warpgroupFilterGradient64, mistake>;
  const std::vector<DataType> both = {DataType::float32, DataType::bfloat16};
  check(name, mistake != Mistake::none,
        {{"convolution", convolve, kConvolution<mistake>, both},
         {"convolution by warpgroups", convolve, kWarpgroups<GemmTile64, mistake>, {DataType::bfloat16}},
         {"filter gradient", differentiate, kFilterGradient<mistake>, both},
         {"filter gradient by warpgroups", differentiate, gradient, {DataType::bfloat16}}});
  check(name, mistake != Mistake::none, clusters<mistake>());
}

}  // namespace

int main() {
  check<Mistake::none>("no mistake");
  check("no mistake", false, withMoments<Mistake::none>());
  check<Mistake::missingBarrier>("a missing barrier");
  check("moments of results that are not there yet", true, withMoments<Mistake::missingMomentsBarrier>());
  check<Mistake::earlyReuse>("memory used again too early");
  check("an end that does not wait for the cluster", true, clusters<Mistake::earlyEnd>());
#ifndef __SANITIZE_ADDRESS__  // which ends the process at the first of them
  check<Mistake::lateWait>("a wait for too few copies or products");
  check<Mistake::boundOfRows>("a row too many");
  check<Mistake::boundOfColumns>("a column too many");
#endif
  std::printf("planted mistakes: %d wrong\n", wrong);
  return wrong == 0 ? 0 : 1;
}
#endif
