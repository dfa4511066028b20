#pragma once

#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

/// How a problem is cut up; see the essay in winograd.cpp.
struct Schedule {
  // The threads: groups share the tiles out, the members of a group share the output channels of its tiles.
  std::int64_t groups, members;

  std::int64_t tiles;       // of the batch
  std::int64_t chunkTiles;  // most tiles whose V is held at once by a group
  std::int64_t steps;       // chunks of every group

  InputLayout input;           // of V
  std::int64_t channelBlocks;  // of input.channelBlock channels
  std::int64_t panelVectors;   // vectors in a panel of output channels
  std::int64_t panel, panels;  // output channels of a panel; panels in all
  std::int64_t productPanels;  // most panels whose M a worker holds at once
  std::int64_t filterPanels;   // most panels whose U, of one channel block, a worker holds at once
  bool keepFilter;             // all of U fits the cache: transformed once, shared by all

  std::int64_t productStride, productPointStride;  // of M (point, tile, panel)
  std::int64_t filterPointStride;  // of U (point, panel, channel, output channel in the panel)

  // The scratch, in floats: zeros, U, then V of each group, then M of each worker.
  std::int64_t zerosOffset;
  std::int64_t filterOffset, filterFloats;    // of a channel block if all is kept, else of a worker
  std::int64_t inputOffset, inputFloats;      // of a group
  std::int64_t productOffset, productFloats;  // of a worker
  std::int64_t scratchFloats;
};

Schedule schedule(const Problem& problem, int threads, const Kernels& kernels);

/// Odd multiples of a cache line keep 36 parallel streams out of each other's cache sets.
std::int64_t unaliased(std::int64_t floats);

std::int64_t secondLevelCacheBytes();

}  // namespace ocrnet::cpu::winograd
