#include "base/bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/crc32c.h"
#include "base/prng.h"

namespace coterie {
namespace {

TEST(Bytes, EveryFieldReadsBackAsWritten) {
  ByteWriter writer;
  writer.U8(7);
  writer.Fixed32(0xdeadbeef);
  writer.Fixed64(0x0123456789abcdef);
  writer.Varint(std::numeric_limits<std::uint64_t>::max());
  writer.Bytes("hello");
  writer.Id(Index(300));

  const std::string bytes = writer.Take();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.U8(), 7);
  EXPECT_EQ(reader.Fixed32(), 0xdeadbeef);
  EXPECT_EQ(reader.Fixed64(), 0x0123456789abcdef);
  EXPECT_EQ(reader.Varint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.Bytes(), "hello");
  EXPECT_EQ(reader.Id<Index>(), Index(300));
  EXPECT_TRUE(reader.AtEnd());
}

TEST(Bytes, EveryTruncationFails) {
  ByteWriter writer;
  writer.Fixed32(1);
  writer.Varint(1 << 20);
  writer.Bytes("abc");
  const std::string whole = writer.Take();

  for (std::size_t size = 0; size < whole.size(); ++size) {
    ByteReader reader(std::string_view(whole).substr(0, size));
    reader.Fixed32();
    reader.Varint();
    reader.Bytes();
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(Bytes, AnOverlongVarintFails) {
  const std::string bytes(11, '\x80');
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Varint(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, RandomVarintsReadBack) {
  Prng prng(1);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = prng.Next() >> prng.Below(64);
    ByteWriter writer;
    writer.Varint(value);
    ByteReader reader(writer.view());
    ASSERT_EQ(reader.Varint(), value);
    ASSERT_TRUE(reader.AtEnd());
  }
}

// The vectors of RFC 3720, B.4.
TEST(Crc32c, MatchesTheRfcVectors) {
  EXPECT_EQ(ComputeCrc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(ComputeCrc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(ComputeCrc32c("123456789"), 0xe3069283u);
}

TEST(Crc32c, ExtendsPieceByPiece) {
  const std::string whole = "the quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const std::uint32_t head = ComputeCrc32c(whole.substr(0, cut));
    EXPECT_EQ(ExtendCrc32c(head, whole.substr(cut)), ComputeCrc32c(whole));
  }
}

}  // namespace
}  // namespace coterie
