#pragma once

// The engines: of those that the heuristics name first only one is right, and it multiplies on tensor cores.

#include <algorithm>
#include <iterator>

#include "convolve.h"

namespace ocrnet::test::cudnn {

/// How a plan of an engine behaves.
enum class Behaviour { right, wrong, refuses };
struct Engine {
  std::vector<unsigned> notes;
  std::int64_t workspaceBytes;
  Behaviour inFloat32, in16Bits;
};
inline constexpr std::int64_t kTooMuch = std::int64_t{1} << 40;
inline const Engine kEngines[] = {
    {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, 0, Behaviour::wrong, Behaviour::wrong},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS},
     0,
     Behaviour::wrong,
     Behaviour::wrong},
    {{CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}, 0, Behaviour::wrong, Behaviour::wrong},
    {{CUDNN_NUMERICAL_NOTE_FFT}, 0, Behaviour::wrong, Behaviour::wrong},
    {{CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4},
     0,
     Behaviour::refuses,
     Behaviour::wrong},
    {{}, 0, Behaviour::refuses, Behaviour::refuses},
    {{}, kTooMuch, Behaviour::wrong, Behaviour::wrong},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 640, Behaviour::right, Behaviour::right},
    // The fallback:
    {{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, 1000, Behaviour::right, Behaviour::right},
};
inline constexpr std::size_t kFallback = std::size(kEngines) - 1;

inline bool usesTensorCores(std::size_t engine) {
  const std::vector<unsigned>& notes = kEngines[engine].notes;
  return std::find(notes.begin(), notes.end(), CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != notes.end();
}

/// Of a plan with the engine, for the operation of a graph.
inline Behaviour behaviourOf(std::size_t engine, const Descriptor& graph) {
  const Descriptor& operation = graph.other(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  const Operation a = operationOf(operation.type);
  const Tensor x(operation.other(a.x)), w(operation.other(a.w)), y(operation.other(a.y));
  const bool isGrouped = x.dimensions[1] != w.dimensions[1];
  if (isGrouped && usesTensorCores(engine)) return Behaviour::refuses;
  const bool inFloat32 = (a.result == a.x ? y : x).type == CUDNN_DATA_FLOAT;
  return inFloat32 ? kEngines[engine].inFloat32 : kEngines[engine].in16Bits;
}

}  // namespace ocrnet::test::cudnn
