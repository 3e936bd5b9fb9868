#include "node/identity.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "backup/backup_file.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "io/posix_file.h"

namespace coterie::node {
namespace {

raft::Member MemberAt(std::uint64_t id, const std::string& host) {
  return {.id = NodeId(id), .address = host + ":1", .client_address = host + ":2"};
}

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() {
    std::string name = testing::TempDir() + "/identity-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    directory_ = *io::OpenPosixDirectory(name);
  }
  ~IdentityTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  std::string Backup(const std::string& name, std::uint64_t revision) const {
    backup::Encoder encoder({.cluster_id = 3, .revision = revision});
    Write(name, encoder.Head() + encoder.Tail());
    return folder_ / name;
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::Directory> directory_;
  const Identity wanted_{
      .log = {.cluster_id = 7, .node = NodeId(2), .incarnation = Incarnation(11)}, .founding = 5};
};

TEST_F(IdentityTest, StaysWhatItWasAtFirst) {
  ASSERT_TRUE(EstablishIdentity(*directory_, wanted_).ok());
  Identity later = wanted_;
  later.log.incarnation = Incarnation(12);
  later.founding = 6;
  const auto found = EstablishIdentity(*directory_, later);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->log.incarnation, Incarnation(11));
  EXPECT_EQ(found->founding, 5U);

  later.log.node = NodeId(3);
  EXPECT_TRUE(absl::IsFailedPrecondition(EstablishIdentity(*directory_, later).status()));
}

TEST_F(IdentityTest, OfAnOlderProgramKnowsNoFounding) {
  ByteWriter bytes;
  bytes.U8(kRulesVersion);
  for (const std::uint64_t number : {7, 2, 11}) bytes.Fixed64(number);
  bytes.Fixed32(ComputeCrc32c(bytes.view()));
  Write("identity", bytes.Take());

  const auto found = EstablishIdentity(*directory_, wanted_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->log.incarnation, Incarnation(11));
  EXPECT_EQ(found->founding, 0U);
}

TEST_F(IdentityTest, ThatIsDamagedIsRefused) {
  ASSERT_TRUE(EstablishIdentity(*directory_, wanted_).ok());
  std::fstream file(folder_ / "identity", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(26);  // In the founding.
  file.put('\x7f');
  file.close();
  EXPECT_TRUE(absl::IsDataLoss(EstablishIdentity(*directory_, wanted_).status()));
}

TEST_F(IdentityTest, AFoundingIsOfWhoBeginsAndWithWhat) {
  const raft::Member ann = MemberAt(1, "ann");
  const raft::Member ben = MemberAt(2, "ben");
  const std::uint32_t both = *FoundingOf({ann, ben}, "");
  EXPECT_NE(both, 0U);
  EXPECT_EQ(*FoundingOf({}, ""), 0U);
  EXPECT_EQ(*FoundingOf({ben, ann}, ""), both);
  EXPECT_EQ(*FoundingOf({MemberAt(1, "10.0.0.1"), ben}, ""), both);
  EXPECT_NE(*FoundingOf({ann}, ""), both);
  EXPECT_NE(*FoundingOf({ann, ben, MemberAt(3, "eve")}, ""), both);

  const std::uint32_t restored = *FoundingOf({ann, ben}, Backup("one", 1));
  EXPECT_NE(restored, both);
  EXPECT_EQ(*FoundingOf({ann, ben}, Backup("same", 1)), restored);
  EXPECT_NE(*FoundingOf({ann, ben}, Backup("other", 2)), restored);
  EXPECT_FALSE(FoundingOf({ann, ben}, folder_ / "none").ok());
}

}  // namespace
}  // namespace coterie::node
