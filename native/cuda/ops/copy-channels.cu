#include "cuda/ops/copy-channels.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

template <class Unit>
__global__ void __launch_bounds__(kElementThreads) copyKernel(Source from, Target to, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  const auto* const source = reinterpret_cast<const Unit*>(from.as<std::byte>() + pixel * from.stride);
  reinterpret_cast<Unit*>(to.as<std::byte>() + pixel * to.stride)[pack] = source[pack];
}

}  // namespace

void copyChannels(const Source& from, const Target& to, std::int64_t bytes, std::int64_t pixels,
                  cudaStream_t stream) {
  const auto copy = [&](auto unit) {
    constexpr std::int64_t size = sizeof unit;
    if (!fitsPacks(size, bytes, size, {from, to.asSource()})) return false;
    const PixelPacks packs{pixels, bytes / size};
    launch<copyKernel<decltype(unit)>>(packs.shape(), stream, from, to, packs);
    return true;
  };
  copy(uint4{}) || copy(uint2{}) || copy(std::uint32_t{}) || copy(std::uint16_t{}) || copy(std::uint8_t{});
}

}  // namespace ocrnet::cuda
