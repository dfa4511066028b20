#include "emulation/context.h"

#if defined(__x86_64__)

// void ocrnetSwitchStack(void** from, void* to)
asm(R"(
  .text
  .globl ocrnetSwitchStack
  .hidden ocrnetSwitchStack
  .type ocrnetSwitchStack, @function
ocrnetSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size ocrnetSwitchStack, .-ocrnetSwitchStack
)");

#endif
