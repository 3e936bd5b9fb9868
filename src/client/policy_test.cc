// The client's pure parts: whom to ask next, how long to wait, what an error says.

#include <gtest/gtest.h>

#include "client/address_book.h"
#include "client/backoff.h"
#include "client/error_detail.h"
#include "client/request_ids.h"

namespace coterie::client {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

// The order in which a caller goes round.
std::string Order(const AddressBook& book, absl::Time now = kNow) {
  std::vector<std::string> tried;
  std::string order;
  while (const auto next = book.Pick(tried, now)) {
    order += next->substr(0, next->find(':'));
    tried.push_back(*next);
  }
  return order;
}

TEST(AddressBook, AsksTheLeaderFirstThenWhoAnsweredLast) {
  AddressBook book({"a:1", "b:1", "c:1", "d:1"});
  EXPECT_EQ(Order(book), "abcd");

  book.Succeeded("c:1");
  EXPECT_EQ(Order(book), "cabd");
  book.LeaderIs("b:1");
  EXPECT_EQ(Order(book), "bcad");
}

TEST(AddressBook, AsksASuspectLastAndForgivesItInTime) {
  AddressBook book({"a:1", "b:1", "c:1"});
  book.LeaderIs("a:1");

  book.Failed("a:1", kNow);
  book.Failed("b:1", kNow + absl::Milliseconds(1));

  EXPECT_EQ(book.leader(), "");
  EXPECT_EQ(Order(book, kNow + absl::Seconds(1)), "cab");
  EXPECT_EQ(Order(book, kNow + kSuspicion + absl::Seconds(1)), "abc");
  book.Succeeded("b:1");
  EXPECT_EQ(Order(book, kNow + absl::Seconds(1)), "bca");
}

TEST(AddressBook, LearnsMembersForgetsTheGoneAndKeepsSeeds) {
  AddressBook book({"a:1"});
  book.Learn({"b:1", "c:1", "not an address", ":5", "x:0"}, "c:1");
  EXPECT_EQ(Order(book), "cab");

  book.Learn({"d:1"}, "");
  EXPECT_EQ(Order(book), "ad");
  EXPECT_EQ(book.leader(), "");
}

TEST(AddressBook, AddsAnUnknownLeaderButNoNonsense) {
  AddressBook book({"a:1"});
  book.LeaderIs("nonsense");
  EXPECT_EQ(Order(book), "a");
  book.LeaderIs("z:9");
  EXPECT_EQ(Order(book), "za");
}

TEST(AddressBook, IsBounded) {
  AddressBook book({"a:1"});
  std::vector<std::string> many;
  for (int i = 1; i <= 1000; ++i) many.push_back("h:" + std::to_string(i));
  book.Learn(many, "h:1000");
  EXPECT_EQ(book.size(), kAddressesMax);
  EXPECT_EQ(book.leader(), "");
}

TEST(Addresses, AreParsedOrRefusedWithAReason) {
  EXPECT_EQ(*NormalizeAddress("host", 5), "host:5");
  EXPECT_EQ(*NormalizeAddress("10.0.0.1:80", 5), "10.0.0.1:80");
  EXPECT_EQ(*NormalizeAddress("[::1]:80", 5), "[::1]:80");
  EXPECT_EQ(*NormalizeAddress("[::1]", 5), "[::1]:5");
  for (const char* bad : {"", ":1", "a:", "a:0", "a:65536", "a:b", "a b:1", "[::1", "[]:1", "a/b:1",
                          "[::1]x:1", "[::1]:", "dns:///a:1", "::1"}) {
    EXPECT_FALSE(NormalizeAddress(bad, 5).ok()) << bad;
  }
  EXPECT_EQ(ParseAddresses("a, b:2  a:1", 1)->size(), 2u);
  EXPECT_FALSE(ParseAddresses(" , ", 1).ok());
}

TEST(Backoff, DoublesUpToItsMaximumWithJitter) {
  Prng prng(7);
  Backoff backoff({.first = absl::Milliseconds(10), .max = absl::Milliseconds(80)}, prng);
  for (const int step_ms : {10, 20, 40, 80, 80, 80}) {
    const absl::Duration pause = backoff.Next();
    EXPECT_GE(pause, absl::Milliseconds(step_ms) / 2);
    EXPECT_LE(pause, absl::Milliseconds(step_ms));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), absl::Milliseconds(10));
}

TEST(Backoff, SpreadsClientsThatFailTogether) {
  Prng a(1);
  Prng b(2);
  const Backoff::Options options{.first = absl::Seconds(1), .max = absl::Seconds(1)};
  EXPECT_NE(Backoff(options, a).Next(), Backoff(options, b).Next());
}

TEST(RequestIds, AckOnlyWhatAllLowerNumbersHaveEnded) {
  RequestIds ids(9);
  EXPECT_EQ(ids.acked_below(), 1u);
  const std::uint64_t first = ids.Open();
  const std::uint64_t second = ids.Open();
  EXPECT_EQ(ids.acked_below(), first);
  ids.Close(second);
  EXPECT_EQ(ids.acked_below(), first);
  ids.Close(first);
  EXPECT_EQ(ids.acked_below(), 3u);
}

TEST(RequestIds, WaitForTheOldestBeforeTheClusterWouldRefuseThem) {
  RequestIds ids(9);
  const std::uint64_t oldest = ids.Open();
  for (std::uint64_t i = 1; i < RequestIds::kSpanMax; ++i) {
    ASSERT_TRUE(ids.MayOpen()) << i;
    ids.Close(ids.Open());
  }
  EXPECT_FALSE(ids.MayOpen());
  ids.Close(oldest);
  EXPECT_TRUE(ids.MayOpen());
}

TEST(ErrorDetail, SurvivesTheStatus) {
  absl::Status status = absl::AbortedError("locked");
  SetDetail(status, {.reason = "LOCKED",
                     .metadata = {{"holder", "mia"}, {"document", "notes"}},
                     .retry_after = absl::Milliseconds(1500)});
  const ErrorDetail detail = DetailOf(status);
  EXPECT_EQ(detail.reason, "LOCKED");
  EXPECT_EQ(detail.Get("holder"), "mia");
  EXPECT_EQ(detail.Get("absent"), "");
  EXPECT_EQ(detail.retry_after, absl::Milliseconds(1500));
}

TEST(ErrorDetail, MalformedDetailsAreHarmless) {
  absl::Status good = absl::AbortedError("x");
  SetDetail(good, {.reason = "LOCKED", .metadata = {{"a", "b"}}});
  std::string bytes;
  good.ForEachPayload([&](absl::string_view, const absl::Cord& c) { bytes = std::string(c); });
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    for (const int flip : {0, 0x80, 0x7f}) {
      std::string bad = bytes.substr(0, cut + 1);
      bad[cut] = static_cast<char>(bad[cut] ^ flip);
      const absl::Status status = FromGrpc({grpc::StatusCode::ABORTED, "x", bad});
      EXPECT_TRUE(absl::IsAborted(status));
      DetailOf(status);
    }
  }
}

}  // namespace
}  // namespace coterie::client
