// The backward pass finds out again what the activation let through, from x with the forward's own arithmetic
// (normalised below): a pixel that was clipped there counts as clipped here, however near the corner it lies.

#include "cpu/kernels/channel-reduction.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// What x̂ and the activation's state are computed from.
enum class Known { x, y, xAndY };

template <class T>
inline const T* row(const Source& source, std::int64_t pixel) {
  return static_cast<const T*>(source.data) + pixel * source.stride;
}
template <class T>
inline T* row(const Target& target, std::int64_t pixel) {
  return static_cast<T*>(target.data) + pixel * target.stride;
}

template <class B, class Lanes>
inline Vec normalised(const B& b, Vec centred, std::int64_t c, Lanes lanes) {
  return fma(centred, load(b.scale + c, lanes), load(b.bias + c, lanes));
}

/// g and d of BatchNormGradient for one vector.
struct Term {
  Vec gradient, centred;
};

template <class T, Known known, class Activate, class Lanes>
inline Term termAt(const BatchNormGradient& b, const Activate& activate, std::int64_t pixel, std::int64_t c,
                   Lanes lanes) {
  const Vec dy = load(row<T>(b.dy, pixel) + c, lanes);
  if constexpr (known == Known::y) {
    const Vec y = load(row<T>(b.y, pixel) + c, lanes);
    return {activate.gradient(dy, y), sub(activate.inverse(y), load(b.bias + c, lanes))};
  }
  const Vec centred = sub(load(row<T>(b.x, pixel) + c, lanes), load(b.mean + c, lanes));
  if constexpr (known == Known::xAndY) {
    return {activate.gradient(dy, load(row<T>(b.y, pixel) + c, lanes)), centred};
  }
  return {activate.gradient(dy, normalised(b, centred, c, lanes)), centred};
}

/// body(term) where term(pixel, channel, lanes) is the Term of what this step knows.
template <class Body>
void withTerm(const BatchNormGradient& b, const Body& body) {
  withFloatType(b.type, [&](auto type) {
    using T = decltype(type);
    withActivation(b.epilogue, [&](auto activate) {
      const auto termOf = [&](auto known) {
        return [b, activate](std::int64_t pixel, std::int64_t c, auto lanes) {
          return termAt<T, decltype(known)::value>(b, activate, pixel, c, lanes);
        };
      };
      if (!b.x.data) return body(type, termOf(std::integral_constant<Known, Known::y>{}));
      if (b.y.data) return body(type, termOf(std::integral_constant<Known, Known::xAndY>{}));
      body(type, termOf(std::integral_constant<Known, Known::x>{}));
    });
  });
}

}  // namespace

void batchNorm(const BatchNorm& b, Range pixels) {
  withFloatType(b.type, [&](auto type) {
    using T = decltype(type);
    withActivation(b.epilogue, [&](auto activate) {
      const auto write = [&, b](auto residual) {
        for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
          const T* const x = row<T>(b.x, pixel);
          T* const y = row<T>(b.y, pixel);
          eachVector(b.channels, [&](std::int64_t c, auto lanes) {
            Vec value = normalised(b, sub(load(x + c, lanes), load(b.mean + c, lanes)), c, lanes);
            if constexpr (residual) value = add(value, load(row<T>(b.residual, pixel) + c, lanes));
            store(y + c, activate(value), lanes);
          });
        }
      };
      if (b.residual.data) return write(std::true_type{});
      write(std::false_type{});
    });
  });
}

void batchNormGradientSums(const BatchNormGradient& b, Range pixels, Range channels, float* sums,
                           float* products) {
  clearSums(channels, sums);
  clearSums(channels, products);
  withTerm(b, [&](auto, auto term) {
    reduceChannels<2>(pixels, channels, {sums, products},
                      [term](std::int64_t pixel, std::int64_t c, auto lanes, Vec* total) {
                        const auto [gradient, centred] = term(pixel, c, lanes);
                        total[0] = add(total[0], gradient);
                        total[1] = fma(gradient, centred, total[1]);
                      });
  });
}

void batchNormGradient(const BatchNormGradient& b, Range pixels) {
  withTerm(b, [&](auto type, auto term) {
    using T = decltype(type);
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
      T* const dx = row<T>(b.dx, pixel);
      T* const dResidual = b.dResidual.data ? row<T>(b.dResidual, pixel) : nullptr;
      eachVector(b.channels, [&](std::int64_t c, auto lanes) {
        const auto [gradient, centred] = term(pixel, c, lanes);
        const Vec kept = fma(load(b.centredFactor + c, lanes), centred, load(b.constant + c, lanes));
        if (dResidual) store(dResidual + c, gradient, lanes);
        store(dx + c, sub(mul(load(b.gradientFactor + c, lanes), gradient), kept), lanes);
      });
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA
