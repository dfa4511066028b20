#include "cpu/device.h"

namespace ocrnet::cpu {

Device describeDevice(int threads) {
  bool bfloat16 = false;
  for (const std::string& feature : processorFeatures()) {
    bfloat16 = bfloat16 || feature == "avx512_bf16" || feature == "amx_bf16";
  }
  return {threads, bestIsa(), bfloat16};
}

}  // namespace ocrnet::cpu
