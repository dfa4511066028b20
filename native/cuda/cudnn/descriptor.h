#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cuda/cudnn/library.h"

namespace ocrnet::cuda::cudnn {

constexpr AttributeType attributeType(const Handle*) { return AttributeType::handle; }
constexpr AttributeType attributeType(const ElementType*) { return AttributeType::dataType; }
constexpr AttributeType attributeType(const std::int64_t*) { return AttributeType::int64; }
constexpr AttributeType attributeType(const float*) { return AttributeType::float32; }
constexpr AttributeType attributeType(void* const*) { return AttributeType::voidPointer; }
constexpr AttributeType attributeType(const ConvolutionMode*) { return AttributeType::convolutionMode; }
constexpr AttributeType attributeType(const HeuristicMode*) { return AttributeType::heuristicMode; }
constexpr AttributeType attributeType(const NumericalNote*) { return AttributeType::numericalNote; }
constexpr AttributeType attributeType(const RawDescriptor*) { return AttributeType::backendDescriptor; }

/// An owner of one of cuDNN's descriptors, whose attributes are set and which then is final. Methods throw
/// Error as check().
class Descriptor {
 public:
  Descriptor(const Library& library, DescriptorType type) : library_(&library) {
    check(library, library.functions.backendCreateDescriptor(type, &raw_), "creating a descriptor");
  }
  Descriptor(Descriptor&& other) noexcept
      : library_(other.library_), raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Descriptor() {
    if (raw_) library_->functions.backendDestroyDescriptor(raw_);
  }

  RawDescriptor raw() const { return raw_; }

  template <class T, std::size_t extent>
  Descriptor& set(Attribute attribute, std::span<T, extent> elements) {
    check(
        *library_,
        library_->functions.backendSetAttribute(raw_, attribute, attributeType(elements.data()),
                                                static_cast<std::int64_t>(elements.size()), elements.data()),
        "setting an attribute");
    return *this;
  }
  template <class T>
  Descriptor& set(Attribute attribute, const T& element) {
    return set(attribute, std::span<const T, 1>(&element, 1));
  }
  Descriptor& set(Attribute attribute, const Descriptor& other) { return set(attribute, other.raw_); }

  Status tryFinalize() { return library_->functions.backendFinalize(raw_); }
  void finalize(const char* what) { check(*library_, tryFinalize(), what); }

  /// At most as many elements as `elements` holds; how many there are.
  template <class T, std::size_t extent>
  std::int64_t get(Attribute attribute, std::span<T, extent> elements) const {
    std::int64_t count = 0;
    check(*library_,
          library_->functions.backendGetAttribute(raw_, attribute, attributeType(elements.data()),
                                                  static_cast<std::int64_t>(elements.size()), &count,
                                                  elements.empty() ? nullptr : elements.data()),
          "getting an attribute");
    return count;
  }
  template <class T>
  T get(Attribute attribute) const {
    T element{};
    get(attribute, std::span<T, 1>(&element, 1));
    return element;
  }
  /// cuDNN fills descriptors that the caller has made.
  std::vector<Descriptor> get(Attribute attribute, DescriptorType type, std::int64_t count) const {
    std::vector<Descriptor> descriptors;
    std::vector<RawDescriptor> raw;
    for (std::int64_t i = 0; i < count; ++i) {
      raw.push_back(descriptors.emplace_back(*library_, type).raw_);
    }
    const std::int64_t filled = get(attribute, std::span(raw));
    while (static_cast<std::int64_t>(descriptors.size()) > filled) descriptors.pop_back();
    return descriptors;
  }

 private:
  const Library* library_;
  RawDescriptor raw_ = nullptr;
};

}  // namespace ocrnet::cuda::cudnn
