#pragma once

#include "cpu/winograd/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

/// How a problem is cut up; see the essay in winograd.cpp.
struct Schedule {
  // The threads: groups share the tiles out, the members of a group share the output channels of its tiles.
  int64_t groups, members;

  int64_t tileRows, tileColumns, tiles;  // of one image; of the batch
  int64_t chunkTiles;                    // most tiles whose V is held at once by a group
  int64_t steps;                         // chunks of every group

  InputLayout input;      // of V
  int64_t channelBlocks;  // of input.channelBlock channels
  int64_t panelVectors;   // vectors in a panel of output channels
  int64_t panel, panels;  // output channels of a panel; panels in all
  int64_t productPanels;  // most panels whose M a worker holds at once
  int64_t filterPanels;   // most panels whose U, of one channel block, a worker holds at once
  bool keepFilter;        // all of U fits the cache: transformed once, shared by all

  int64_t productStride, productPointStride;  // of M (point, tile, panel)
  int64_t filterPointStride;                  // of U (point, panel, channel, output channel in the panel)

  // The scratch, in floats: zeros, U, then V of each group, then M of each worker.
  int64_t zerosOffset, filterOffset, filterFloats, inputOffset, inputFloats, productOffset, productFloats,
      scratchFloats;
};

Schedule schedule(const Problem& problem, int threads, const Kernels& kernels);

/// The rows (or columns) of tiles along one dimension of the output: those of all dilation phases, one after
/// another.
int64_t tileCount(int64_t extent, int64_t dilation);

/// The first output row (or column) of a tile.
int64_t tileOrigin(int64_t tile, int64_t extent, int64_t dilation);

}  // namespace ocrnet::cpu::winograd
