#pragma once

#include <omp.h>

#include <algorithm>

#include "core/range.h"

namespace ocrnet::cpu {

/// Splits 0 … count − 1 evenly into one range for each thread and calls body(range, thread), thread <
/// threads. `grain` is the least that is worth a thread. body must not throw.
template <class Body>
void parallel(int threads, std::int64_t count, std::int64_t grain, const Body& body) {
  const std::int64_t useful = std::clamp<std::int64_t>(count / std::max<std::int64_t>(grain, 1), 1, threads);
#pragma omp parallel num_threads(static_cast <int>(useful))
  {
    // OpenMP may give fewer threads than asked for.
    const std::int64_t team = omp_get_num_threads(), thread = omp_get_thread_num();
    const Range range = Range{0, count}.part(thread, team);
    if (range.size() > 0) body(range, static_cast<int>(thread));
  }
}

}  // namespace ocrnet::cpu
