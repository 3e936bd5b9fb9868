#include "base/bytes.h"

#include <array>

namespace coterie {
namespace {

template <class Int>
Int DecodeLittleEndian(std::string_view bytes) {
  Int value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = static_cast<Int>(value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

void ByteWriter::U8(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }

void ByteWriter::Fixed32(std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<char>(value >> shift));
}

void ByteWriter::Fixed64(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(value >> shift));
}

void ByteWriter::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void ByteWriter::Bytes(std::string_view bytes) {
  Varint(bytes.size());
  Raw(bytes);
}

void ByteWriter::Raw(std::string_view bytes) { bytes_.append(bytes); }

void ByteReader::Fail() {
  ok_ = false;
  rest_ = {};
}

std::string_view ByteReader::Raw(std::size_t size) {
  if (size > rest_.size()) Fail();
  if (!ok_) return {};
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

std::uint8_t ByteReader::U8() {
  const std::string_view byte = Raw(1);
  return byte.empty() ? 0 : static_cast<std::uint8_t>(byte[0]);
}

std::uint32_t ByteReader::Fixed32() { return DecodeLittleEndian<std::uint32_t>(Raw(4)); }

std::uint64_t ByteReader::Fixed64() { return DecodeLittleEndian<std::uint64_t>(Raw(8)); }

std::uint64_t ByteReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = U8();
    if (!ok_) return 0;
    // The tenth byte may only hold the topmost bit.
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  Fail();
  return 0;
}

std::string_view ByteReader::Bytes() { return Raw(Varint()); }

}  // namespace coterie
