#include "crdt/lib0.h"

#include <gtest/gtest.h>

#include <string>

#include "crdt/delete_set.h"
#include "crdt/state_vector.h"

namespace coterie::crdt {
namespace {

using std::string_literals::operator""s;

TEST(Lib0Reader, SkipsEveryKindOfAny) {
  // [1, -1, 1.5, 0.1, "s", true, false, null, {a: [undefined]}, bytes 1 2, 2^31]
  const std::string values =
      "\x7d\x01\x7d\x41\x7c\x3f\xc0\x00\x00\x7b\x3f\xb9\x99\x99\x99\x99\x99\x9a\x77\x01s\x78\x79"
      "\x7e"
      "\x76\x01\x01"
      "a\x75\x01\x7f\x74\x02\x01\x02\x7c\x4f\x00\x00\x00"s;
  Lib0Reader reader(values);

  int count = 0;
  while (reader.ok() && !reader.AtEnd()) {
    EXPECT_FALSE(reader.Any().empty());
    ++count;
  }

  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(count, 11);
}

TEST(Lib0Reader, ToldWhereAndWhyItStopped) {
  Lib0Reader reader("\x01\x02\xc3\x28");

  EXPECT_EQ(reader.U8(), 1);
  EXPECT_TRUE(reader.VarString().empty());

  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.malformed().offset_bytes, 1u);
  EXPECT_EQ(reader.malformed().reason, "a string is not valid UTF-8");
  EXPECT_EQ(reader.VarUint(), 0u);
}

TEST(Lib0Reader, RefusesDeepNesting) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "\x75\x01";
  deep += "\x7e";
  Lib0Reader reader(deep);

  EXPECT_TRUE(reader.Any().empty());

  EXPECT_EQ(reader.malformed().reason, "a value is nested too deeply");
}

TEST(Lib0, IntegersComeBack) {
  for (int shift = 0; shift < 53; ++shift) {
    for (const bool is_negative : {false, true}) {
      const std::uint64_t value = (std::uint64_t{1} << shift) | (shift % 3);
      Lib0Writer writer;
      writer.VarUint(value);
      writer.VarInt(value, is_negative);
      Lib0Reader reader(writer.view());

      EXPECT_EQ(reader.VarUint(), value);
      const Lib0Reader::SignedInt signed_int = reader.VarInt();
      EXPECT_EQ(signed_int.magnitude, value);
      EXPECT_EQ(signed_int.is_negative, is_negative);
      EXPECT_TRUE(reader.AtEnd() && reader.ok());
    }
  }
}

TEST(StateVector, IsRaisedByAnotherOne) {
  StateVector vector;
  vector.Set(Client(2), 5);
  vector.Set(Client(4), 5);
  vector.Set(Client(6), 5);
  StateVector other;
  for (std::uint64_t client = 1; client <= 5; ++client) {
    other.Set(Client(client), static_cast<Clock>(2 * client));
    StateVector one = vector;
    one.Raise(other);
    StateVector expected = vector;
    for (const auto& [id, clock] : other.clocks()) expected.Raise(id, clock);
    EXPECT_EQ(one, expected);
  }
  vector.Raise(other);
  EXPECT_EQ(vector.clocks(), (std::vector<std::pair<Client, Clock>>{{Client(1), 2},
                                                                    {Client(2), 5},
                                                                    {Client(3), 6},
                                                                    {Client(4), 8},
                                                                    {Client(5), 10},
                                                                    {Client(6), 5}}));
}

TEST(StateVector, IsWrittenAsYjsDoes) {
  StateVector vector;
  vector.Set(Client(1), 3);
  vector.Raise(Client(7), 2);
  vector.Raise(Client(7), 1);

  EXPECT_EQ(vector.Encode(), "\x02\x07\x02\x01\x03");

  Lib0Reader reader("\x03\x07\x02\x01\x05\x01\x03");
  EXPECT_EQ(StateVector::Decode(reader), vector);
}

TEST(DeleteSet, RangesGrowTogether) {
  DeleteSet set;
  set.Add(Client(1), {.begin = 4, .end = 6});
  set.Add(Client(1), {.begin = 0, .end = 2});
  set.Add(Client(1), {.begin = 8, .end = 9});
  set.Add(Client(1), {.begin = 2, .end = 5});

  EXPECT_EQ(set.Encode(), "\x01\x01\x02\x00\x06\x08\x01"s);
  EXPECT_TRUE(set.Contains({.client = Client(1), .clock = 5}));
  EXPECT_FALSE(set.Contains({.client = Client(1), .clock = 6}));
}

}  // namespace
}  // namespace coterie::crdt
