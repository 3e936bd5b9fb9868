#include "crdt/update_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/test_bytes.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

// Reads all of it; what was wrong, with its offset, or nothing.
std::string Check(const std::string& update) {
  const Malformed malformed = ValidateUpdate(update);
  if (!malformed) return "";
  return std::to_string(malformed.offset_bytes) + ": " + std::string(malformed.reason);
}

TEST(UpdateReader, ReadsWhatYjsWrites) {
  // One client wrote "abc" into the root "t" and deleted 'b'.
  const std::string update = FromHex("010301000401017401618101000184010101630101010101");
  UpdateReader reader(update);
  std::vector<StructView> views;
  StructView view;
  while (reader.Next(view)) views.push_back(view);
  const DeleteSet deleted = DeleteSet::Decode(reader.rest());

  ASSERT_TRUE(reader.ok() && reader.rest().AtEnd());
  ASSERT_EQ(views.size(), 3u);
  EXPECT_EQ(views[0].payload, "a");
  EXPECT_EQ(views[0].parent_root, "t");
  EXPECT_EQ(views[1].content, ContentKind::kDeleted);
  EXPECT_EQ(views[1].origin, (Id{.client = Client(1), .clock = 0}));
  EXPECT_EQ(views[2].id.clock, 2u);
  EXPECT_TRUE(deleted.Contains({.client = Client(1), .clock = 1}));
}

TEST(UpdateReader, ReadsEveryContent) {
  for (const std::string_view hex : {
           "010201002101016d016b01a80100017701780101010001",
           "01040100040101740161840100016246010004626f6c640474727565c60100010104626f6c64046e756c6c0"
           "0",
           "0104010007010178030170280001000269640177013107000100060400010202686900",
           "01020100010101780100040101010005",
           "010101002901016d0373756201677601046d657461760101617d0100",
           "01010100050101740b7b22696d67223a2275227d00",
           "0201020004010174014201010004010174014100",
           "010301000401017401610a01840101016300",
           "0000",
       }) {
    EXPECT_EQ(Check(FromHex(hex)), "") << hex;
  }
}

TEST(UpdateReader, EveryShorterUpdateIsRefused) {
  const std::string update = FromHex("010301000401017401618101000184010101630101010101");
  for (std::size_t size = 0; size < update.size(); ++size) {
    EXPECT_NE(Check(update.substr(0, size)), "") << size;
  }
}

TEST(UpdateReader, SaysWhereAndWhy) {
  EXPECT_EQ(Check(FromHex("01010100040101740000")), "4: a struct has no length");
  EXPECT_EQ(Check(FromHex("01010100040101740261")), "8: a length is longer than what follows");
  EXPECT_EQ(Check(FromHex("010101000b01017401")), "4: a struct has an unknown content");
  EXPECT_EQ(Check(FromHex("020101000001010100000100")), "6: a client has two groups");
  EXPECT_EQ(Check(FromHex("000000")), "2: bytes follow the delete set");
  EXPECT_EQ(Check(FromHex("010101008a01010000")), "4: a skip has the bits of an item");
  EXPECT_EQ(Check(FromHex("0001010101")), "5: ends in the middle of a field");
  EXPECT_EQ(Check(FromHex("000101010100")), "6: a deleted range is empty");
  EXPECT_EQ(Check(FromHex("01010100050101740b7b22696d67223a2275227c00")),
            "19: a value is not JSON");
  EXPECT_EQ(Check(FromHex("010101000901017401677e00")),
            "10: the options of a subdocument are not an object");
  EXPECT_EQ(Check(FromHex("01010100840101016100")),
            "5: an item depends on a later one of its own client");
  EXPECT_EQ(Check(FromHex("010101002901016d0373756201677601046d657461760101617d0180")),
            "27: ends in the middle of a field");
}

}  // namespace
}  // namespace coterie::crdt
