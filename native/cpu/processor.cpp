// What the system says about the processor and this process's share of it.

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "cpu/device.h"

namespace ocrnet::cpu {

namespace {

/// The first line of a file; empty where there is none.
std::string firstLine(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

/// Cores that the scheduler may put this process on. Hyperthreads of a core share its vector units: one is
/// enough.
int affineCores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // Fails where the machine has more processors than the set holds.
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    const std::string siblings = firstLine(folder + "thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
  }
  return std::max(1, static_cast<int>(cores.size()));
}

/// Processors' worth of time that a control group grants, rounded up; `most` where it sets no limit.
int quotaOf(const std::string& quota, const std::string& period, int most) {
  const double share = std::atof(quota.c_str()) / std::max(1.0, std::atof(period.c_str()));
  if (quota.empty() || quota == "max" || share <= 0) return most;
  return std::clamp(static_cast<int>(share + 0.999), 1, most);
}

/// The tightest quota from this process's control group up to the root, in version 2 and in version 1.
int grantedCores(int most) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto controllers = line.find(':'), path = line.find(':', controllers + 1);
    if (path == std::string::npos) continue;
    const bool second = line.compare(0, 3, "0::") == 0;
    if (!second && line.substr(controllers, path - controllers).find("cpu") == std::string::npos) continue;
    const std::string root = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (std::string group = line.substr(path + 1);; group.erase(group.rfind('/'))) {
      if (second) {
        std::istringstream limit(firstLine(root + group + "/cpu.max"));
        std::string quota, period;
        limit >> quota >> period;
        most = quotaOf(quota, period, most);
      } else {
        most = quotaOf(firstLine(root + group + "/cpu.cfs_quota_us"),
                       firstLine(root + group + "/cpu.cfs_period_us"), most);
      }
      if (group.rfind('/') == std::string::npos) break;
    }
  }
  return most;
}

#if defined(__x86_64__)

/// What the operating system saves when it switches threads: vector registers that it does not save are of no
/// use.
std::uint64_t savedStates() {
  std::uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

std::vector<std::string> x86Features() {
  constexpr std::uint64_t kAvx = 0x6, kAvx512 = 0xe6, kAmx = 0x60000;
  unsigned a, b, c, d, features7a = 0, ignored;
  std::vector<std::string> features;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return features;
  const std::uint64_t saved = savedStates();
  const auto add = [&](bool present, std::uint64_t states, const char* name) {
    if (present && (saved & states) == states) features.emplace_back(name);
  };
  add(c & bit_AVX, kAvx, "avx");
  add(c & bit_FMA, kAvx, "fma");
  add(c & bit_F16C, kAvx, "f16c");
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  if (a >= 1) __get_cpuid_count(7, 1, &features7a, &ignored, &ignored, &ignored);
  add(b & bit_AVX2, kAvx, "avx2");
  add(b & 1u << 16, kAvx512, "avx512f");
  add(b & 1u << 17, kAvx512, "avx512dq");
  add(b & 1u << 30, kAvx512, "avx512bw");
  add(b & 1u << 31, kAvx512, "avx512vl");
  add(c & 1u << 11, kAvx512, "avx512_vnni");
  add(features7a & 1u << 5, kAvx512, "avx512_bf16");
  add(d & 1u << 24, kAmx, "amx_tile");
  add(d & 1u << 22, kAmx, "amx_bf16");
  return features;
}

#endif

}  // namespace

int availableCores() { return grantedCores(affineCores()); }

std::vector<std::string> processorFeatures() {
#if defined(__x86_64__)
  return x86Features();
#else
  return {};
#endif
}

std::string processorModel() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const auto value = line.find(": ");
    if (value != std::string::npos) return line.substr(value + 2);
  }
  return "unknown";
}

}  // namespace ocrnet::cpu
