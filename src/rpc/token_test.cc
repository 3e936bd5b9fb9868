#include "rpc/token.h"

#include <absl/synchronization/notification.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <atomic>
#include <string>

#include "rpc/authenticate.h"
#include "rpc/passwords.h"
#include "rpc/work_threads.h"

namespace coterie::rpc {
namespace {

class TokenTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GE(sodium_init(), 0);
    sessions_.Put({.id = SessionId(5), .user = "mia", .token_hash = HashSecret(secret_)});
  }
  const std::string secret_ = std::string(43, 'a');
  node::SessionDirectory sessions_;
};

TEST_F(TokenTest, IsReadAsItWasWritten) {
  const Token token{.session = SessionId(123), .secret = NewSecret()};

  const std::optional<Token> read = ParseAuthorization("Bearer " + FormatToken(token));

  ASSERT_TRUE(read);
  EXPECT_EQ(read->session, token.session);
  EXPECT_EQ(read->secret, token.secret);
}

TEST_F(TokenTest, SecretsDiffer) { EXPECT_NE(NewSecret(), NewSecret()); }

TEST_F(TokenTest, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("."), std::string("5"), std::string("5."), "0." + secret_,
        "-5." + secret_, " 5." + secret_, "5." + secret_ + "a", "5.." + secret_.substr(1),
        "99999999999999999999999." + secret_, "5." + secret_.substr(1) + "!",
        "5." + secret_.substr(1) + std::string(1, '\0'), std::string(1 << 20, '7')}) {
    EXPECT_FALSE(ParseToken(text)) << text.substr(0, 60);
  }
}

TEST_F(TokenTest, TheHeaderNeedsItsScheme) {
  EXPECT_TRUE(ParseAuthorization("bearer 5." + secret_));
  EXPECT_FALSE(ParseAuthorization("5." + secret_));
  EXPECT_FALSE(ParseAuthorization("Basic 5." + secret_));
  EXPECT_FALSE(ParseAuthorization("Bearer "));
  EXPECT_FALSE(ParseAuthorization(""));
}

TEST_F(TokenTest, OpensItsOwnSessionAlone) {
  const auto right = CheckToken(sessions_, {.session = SessionId(5), .secret = secret_});
  ASSERT_TRUE(right && right->ok());
  EXPECT_EQ((*right)->user, "mia");

  const auto wrong =
      CheckToken(sessions_, {.session = SessionId(5), .secret = std::string(43, 'b')});
  ASSERT_TRUE(wrong);
  EXPECT_TRUE(absl::IsUnauthenticated(wrong->status()));

  EXPECT_FALSE(CheckToken(sessions_, {.session = SessionId(6), .secret = secret_}));
}

TEST_F(TokenTest, IsWorthlessAfterLogout) {
  sessions_.Remove(SessionId(5));

  EXPECT_FALSE(CheckToken(sessions_, {.session = SessionId(5), .secret = secret_}));
}

TEST_F(TokenTest, PasswordsAreCheckedAgainstTheirHash) {
  const absl::StatusOr<std::string> hash = HashPassword("correct horse");
  ASSERT_TRUE(hash.ok());

  EXPECT_TRUE(hash->starts_with("$argon2id$"));
  EXPECT_TRUE(VerifyPassword(*hash, "correct horse"));
  EXPECT_FALSE(VerifyPassword(*hash, "correct horsf"));
  EXPECT_FALSE(VerifyPassword(*hash, ""));
  EXPECT_FALSE(VerifyPassword("", "correct horse"));
  EXPECT_FALSE(VerifyPassword("$argon2id$nonsense", "correct horse"));
}

TEST_F(TokenTest, WorkThreadsRefuseWhatDoesNotFit) {
  absl::Notification go;
  std::atomic<std::size_t> ran{0};
  WorkThreads threads(kPasswordThreads);

  std::size_t taken = 0;
  while (threads.TryRun([&] {
    go.WaitForNotification();
    ++ran;
  })) {
    ++taken;
  }
  EXPECT_EQ(taken, WorkThreads::kQueuedMax);

  threads.Start();
  go.Notify();
  threads.Stop();
  EXPECT_EQ(ran, taken);
  EXPECT_FALSE(threads.TryRun([] {}));
}

}  // namespace
}  // namespace coterie::rpc
