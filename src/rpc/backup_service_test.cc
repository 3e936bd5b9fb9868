// Backups of a real node over real sockets, and clients that stop reading them.

#include "rpc/backup_service.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "rpc/testing_node.h"

namespace coterie::rpc {
namespace {

using grpc::StatusCode;

constexpr absl::Duration kStalledMax = absl::Seconds(10);

// So that this end takes on little that nobody reads, and always equally much.
grpc::ChannelArguments SmallWindow() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

// A client in the middle of a backup, without a deadline, which would end it as well.
class Reading {
 public:
  Reading(TestingNode& node, const TestingClient& admin)
      : stub_(grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", node.server().client_port()),
                                        grpc::InsecureChannelCredentials(), SmallWindow())) {
    context_.AddMetadata("authorization", "Bearer " + admin.token);
    reader_ = stub_.TakeBackup(&context_, v1::TakeBackupRequest());
  }
  ~Reading() { context_.TryCancel(); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  bool Next() {
    v1::TakeBackupResponse piece;
    if (!reader_->Read(&piece)) return false;
    bytes_ += piece.data();
    return true;
  }
  grpc::Status End() {
    while (Next()) continue;
    return reader_->Finish();
  }
  const std::string& bytes() const { return bytes_; }

 private:
  v1::BackupService::Stub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::TakeBackupResponse>> reader_;
  std::string bytes_;
};

class Backups : public testing::Test {
 protected:
  // More than gRPC takes on for somebody who reads nothing, and nothing that can be compressed.
  Backups() {
    Prng prng(7);
    const std::uint64_t doc = admin_.Create("notes");
    for (int i = 0; i < 20; ++i) {
      std::string text(100'000, ' ');
      for (char& letter : text) letter = static_cast<char>('!' + prng.Below(90));
      admin_.Append(doc, text);
      CHECK(admin_.status.ok());
    }
  }
  std::unique_ptr<Reading> Begin() { return std::make_unique<Reading>(node_, admin_); }
  // The copies that its disk keeps.
  std::size_t Copies() const {
    const std::filesystem::path folder = node_.folder() + "/state/outgoing";
    if (!std::filesystem::exists(folder)) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }
  bool ComesToCopies(std::size_t copies) const {
    const absl::Time end = absl::Now() + absl::Seconds(60);
    absl::Notification never;
    while (Copies() != copies && absl::Now() < end) {
      never.WaitForNotificationWithTimeout(absl::Milliseconds(50));
    }
    return Copies() == copies;
  }

  TestingNode node_{Users::kMadeAtLogin, {}, /*user_calls_per_second=*/0, kStalledMax};
  TestingClient admin_{node_, "ann"};
};

TEST_F(Backups, WhoReadsNothingIsCutOffAndHoldsNeitherPlaceNorCopy) {
  std::vector<std::unique_ptr<Reading>> stalled;
  for (int i = 0; i < rpc::Backups::kAtOnceMax; ++i) {
    stalled.push_back(Begin());
    ASSERT_TRUE(stalled.back()->Next());
  }
  ASSERT_EQ(Copies(), stalled.size());
  EXPECT_EQ(Begin()->End().error_code(), StatusCode::RESOURCE_EXHAUSTED);

  EXPECT_TRUE(ComesToCopies(0)) << Copies();
  const auto next = Begin();
  const grpc::Status whole = next->End();
  EXPECT_TRUE(whole.ok()) << whole.error_message();
  EXPECT_GT(next->bytes().size(), 2'000'000u);

  // Whoever comes back to it learns that it is not whole, and why.
  for (const auto& reading : stalled) {
    const grpc::Status status = reading->End();
    EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
    EXPECT_TRUE(absl::StrContains(status.error_message(), "took nothing of the backup for 10s"))
        << status.error_message();
    EXPECT_LT(reading->bytes().size(), next->bytes().size());
  }
}

// Longer over all of it than anybody may be over one piece.
TEST_F(Backups, WhoReadsSlowlyGetsAllOfIt) {
  const auto reading = Begin();
  const absl::Time begin = absl::Now();
  absl::Notification never;
  while (reading->Next()) never.WaitForNotificationWithTimeout(absl::Milliseconds(300));

  const grpc::Status whole = reading->End();
  EXPECT_TRUE(whole.ok()) << whole.error_message();
  EXPECT_GT(absl::Now() - begin, kStalledMax);
}

TEST_F(Backups, WhoIsLoggedOutGetsNoMoreOfIt) {
  TestingClient other(node_, "ann");
  Reading reading(node_, other);
  ASSERT_TRUE(reading.Next());

  other.Call(&v1::AuthService::Stub::Logout, v1::LogoutRequest());

  EXPECT_EQ(reading.End().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(Backups, WhoHasGoneHoldsNoCopy) {
  auto reading = Begin();
  ASSERT_TRUE(reading->Next());
  ASSERT_EQ(Copies(), 1u);

  reading.reset();

  EXPECT_TRUE(ComesToCopies(0)) << Copies();
}

TEST_F(Backups, AStoppingNodeDoesNotWaitForAReader) {
  const auto reading = Begin();
  ASSERT_TRUE(reading->Next());

  node_.StopServer();

  EXPECT_FALSE(reading->End().ok());
  EXPECT_EQ(Copies(), 0u);
}

}  // namespace
}  // namespace coterie::rpc
