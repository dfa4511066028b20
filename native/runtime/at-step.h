#pragma once

#include <exception>
#include <new>
#include <string>

#include "core/error.h"
#include "plan/plan.h"

namespace ocrnet {

/// Calls `act` and gives errors the step's path.
template <class Act>
auto atStep(const Step& step, const Act& act) {
  const auto where = [&] {
    return step.path + ": " + std::string(opSchemas()[static_cast<std::size_t>(step.opcode)].name);
  };
  try {
    return act();
  } catch (const Error& error) {
    throw Error(error.code(), where() + ": " + error.what());
  } catch (const std::bad_alloc&) {
    throw Error("OUT_OF_MEMORY", where() + ": the system gives no more memory");
  } catch (const std::exception& error) {
    throw Error("EXECUTION_FAILED", where() + ": " + error.what());
  }
}

}  // namespace ocrnet
