#include "cuda/backend.h"

#include <map>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/executable.h"
#include "runtime/at-step.h"
#include "runtime/loaded-plan.h"

namespace ocrnet::cuda {

namespace {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const Device& device)
      : device_(device),
        memory_(
            std::make_shared<CudaMemory>(device.index, std::make_shared<Stream>(makeStream(device.index)))),
        pipeline_(device.index, memory_),
        arena_(memory_, "its arena") {}

  std::string name() const override { return "cuda"; }
  std::shared_ptr<DeviceMemory> memory() const override { return memory_; }
  std::vector<StepChoice> inspect(const TypedPlan& typed) const override {
    requireTypes(typed.plan());
    return choicesOf(typed.plan(), opFor, device_);
  }
  std::vector<std::vector<StepChoice>> candidates(const TypedPlan& typed) const override {
    requireTypes(typed.plan());
    return candidatesOf(typed.plan(), opFor, device_);
  }
  void startThread() override { check(cudaSetDevice(device_.index)); }
  using Backend::load;
  std::unique_ptr<Executable> load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                   std::shared_ptr<State> state, std::unique_ptr<Membership> place) override;
  std::size_t arenaBytes() const override { return arena_.bytes(); }

 private:
  void requireTypes(const Plan& plan) const;
  std::shared_ptr<Parameters> parametersOf(const std::shared_ptr<Weights>& weights);

  Device device_;
  std::shared_ptr<CudaMemory> memory_;
  Pipeline pipeline_;
  Arena arena_;
  /// Of models that have a plan loaded.
  std::map<std::weak_ptr<Weights>, std::weak_ptr<Parameters>, std::owner_less<>> parameters_;
};

std::unique_ptr<Executable> CudaBackend::load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                              std::shared_ptr<State> state,
                                              std::unique_ptr<Membership> place) {
  requireTypes(plan.plan());
  return std::make_unique<CudaExecutable>(std::move(plan), parametersOf(weights), std::move(state),
                                          std::move(place), device_, pipeline_, arena_);
}

void CudaBackend::requireTypes(const Plan& plan) const {
  if (device_.multipliesWideTypes()) return;
  for (const TensorInfo& tensor : plan.tensors) {
    if (tensor.dataType != DataType::bfloat16) continue;
    throw Error("UNSUPPORTED",
                device_.model + " has no tensor cores for bfloat16: expected float32 or float16");
  }
}

std::shared_ptr<Parameters> CudaBackend::parametersOf(const std::shared_ptr<Weights>& weights) {
  std::erase_if(parameters_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Parameters>& known = parameters_[weights];
  if (const auto parameters = known.lock()) return parameters;
  const auto parameters = std::make_shared<Parameters>(weights, memory_);
  known = parameters;
  return parameters;
}

}  // namespace

std::unique_ptr<Backend> openBackend(const Options& options) {
  const Device device = describeDevice(options.index, options.tf32);
  resetAfterFault(device.index);
  return std::make_unique<CudaBackend>(device);
}

}  // namespace ocrnet::cuda
