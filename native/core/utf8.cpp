#include "core/utf8.h"

#include <cstdint>

namespace ocrnet {

namespace {

/// Bytes that follow this lead byte, -1 if it leads nothing; the least code point that needs so many.
struct Lead {
  int following;
  std::uint32_t bits, least;
};

Lead leadOf(unsigned char byte) {
  if (byte < 0x80) return {0, byte, 0};
  if (byte >> 5 == 0b110) return {1, byte & 0x1fu, 0x80};
  if (byte >> 4 == 0b1110) return {2, byte & 0x0fu, 0x800};
  if (byte >> 3 == 0b11110) return {3, byte & 0x07u, 0x10000};
  return {-1, 0, 0};
}

}  // namespace

bool isUtf8(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    auto [following, point, least] = leadOf(static_cast<unsigned char>(bytes[i++]));
    if (following < 0 || static_cast<std::size_t>(following) > bytes.size() - i) return false;
    for (; following > 0; --following) {
      const auto byte = static_cast<unsigned char>(bytes[i++]);
      if (byte >> 6 != 0b10) return false;
      point = point << 6 | (byte & 0x3fu);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
  }
  return true;
}

}  // namespace ocrnet
