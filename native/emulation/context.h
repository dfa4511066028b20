#pragma once

// Stacks that take turns on one thread of the processor: the threads of a block of kernels are functions that
// stop where they wait for each other.

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace ocrnet::emulation {

#if defined(__x86_64__)

/// Where a stack stopped. The registers that a function must keep lie on it.
struct Context {
  void* stackPointer = nullptr;
};

extern "C" void ocrnetSwitchStack(void** from, void* to);

inline void switchContext(Context& from, const Context& to) {
  ocrnetSwitchStack(&from.stackPointer, to.stackPointer);
}

/// `context` begins with `entry`, which never returns.
inline void makeContext(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  constexpr int kKeptRegisters = 6;
  auto* top = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(stack + bytes) & ~std::uintptr_t{63});
  *--top = nullptr;  // in place of a return address: keeps the alignment that a call would leave
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kKeptRegisters; ++i) *--top = nullptr;
  context.stackPointer = top;
}

#else

struct Context {
  ucontext_t state;
};

inline void switchContext(Context& from, const Context& to) { swapcontext(&from.state, &to.state); }

inline void makeContext(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context.state);
  context.state.uc_stack.ss_sp = stack;
  context.state.uc_stack.ss_size = bytes;
  context.state.uc_link = nullptr;
  makecontext(&context.state, entry, 0);
}

#endif

}  // namespace ocrnet::emulation
