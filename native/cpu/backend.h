#pragma once

#include "cpu/device.h"
#include "runtime/arena.h"
#include "runtime/backend.h"

namespace ocrnet::cpu {

/// Runs plans on the processor: the operations of op.h, with OpenMP threads that belong to the device's
/// thread.
class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const Device& device)
      : device_(device), arena_(std::make_shared<HostMemory>(), "its arena") {}

  const Device& device() const { return device_; }
  std::string name() const override { return "cpu"; }
  std::shared_ptr<DeviceMemory> memory() const override { return std::make_shared<HostMemory>(); }
  std::vector<StepChoice> inspect(const TypedPlan& plan) const override;
  std::vector<std::vector<StepChoice>> candidates(const TypedPlan& plan) const override;
  void startThread() override;
  using Backend::load;
  std::unique_ptr<Executable> load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                   std::shared_ptr<State> state, std::unique_ptr<Membership> place) override;
  std::size_t arenaBytes() const override { return arena_.bytes(); }

 private:
  Device device_;
  Arena arena_;
};

}  // namespace ocrnet::cpu
