#include "rpc/policy.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "coterie/v1/assist.pb.h"
#include "coterie/v1/auth.pb.h"
#include "coterie/v1/backup.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "coterie/v1/documents.pb.h"
#include "coterie/v1/drafts.pb.h"
#include "coterie/v1/events.pb.h"
#include "coterie/v1/presence.pb.h"

namespace coterie::rpc {
namespace {

std::set<std::string> Methods() {
  const google::protobuf::FileDescriptor* files[] = {
      v1::LoginRequest::descriptor()->file(),  v1::GetStatusRequest::descriptor()->file(),
      v1::Document::descriptor()->file(),      v1::SubscribeRequest::descriptor()->file(),
      v1::AttachRequest::descriptor()->file(), v1::AskRequest::descriptor()->file(),
      v1::Draft::descriptor()->file(),         v1::TakeBackupRequest::descriptor()->file()};
  std::set<std::string> methods;
  for (const auto* file : files) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        methods.insert(file->service(i)->method(j)->full_name());
      }
    }
  }
  return methods;
}

TEST(Policy, EveryMethodHasOne) {
  for (const std::string& method : Methods()) EXPECT_NE(FindPolicy(method), nullptr) << method;
}

TEST(Policy, EveryRowIsOfAMethodAndThereOnce) {
  const std::set<std::string> methods = Methods();
  std::set<std::string> rows;
  for (const Policy& policy : Policies()) {
    EXPECT_TRUE(methods.contains(std::string(policy.method))) << policy.method;
    EXPECT_TRUE(rows.insert(std::string(policy.method)).second) << policy.method;
    EXPECT_GT(policy.request_bytes_max, 0u) << policy.method;
  }
  EXPECT_EQ(rows.size(), methods.size());
}

TEST(Policy, OnlyLoginNeedsNoSession) {
  for (const Policy& policy : Policies()) {
    const bool is_login = policy.method == "coterie.v1.AuthService.Login";
    EXPECT_EQ(policy.access == Access::kAnyone, is_login) << policy.method;
  }
}

TEST(Policy, ChangingTheClusterIsForAdministrators) {
  for (const Policy& policy : Policies()) {
    if (!policy.method.starts_with("coterie.v1.ClusterService.") &&
        !policy.method.starts_with("coterie.v1.BackupService.")) {
      continue;
    }
    const bool is_looking = policy.method == "coterie.v1.ClusterService.GetStatus" ||
                            policy.method == "coterie.v1.ClusterService.WatchCluster" ||
                            policy.method == "coterie.v1.ClusterService.GetDurability";
    EXPECT_EQ(policy.access, is_looking ? Access::kSession : Access::kAdmin) << policy.method;
  }
}

TEST(Policy, OnlyStreamsAreEndless) {
  for (const Policy& policy : Policies()) {
    const bool is_stream =
        policy.method.ends_with(".Subscribe") || policy.method.ends_with(".Attach") ||
        policy.method.ends_with(".WatchCluster") || policy.method.ends_with(".TakeBackup");
    EXPECT_EQ(policy.seconds_max == 0, is_stream) << policy.method;
  }
}

}  // namespace
}  // namespace coterie::rpc
