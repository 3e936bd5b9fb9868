#include "gateway/admission.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

struct Gauges {
  runtime::Gauge large_messages;
  runtime::Gauge body_bytes;
  Admission::Gauges all() { return {.large_messages = large_messages, .body_bytes = body_bytes}; }
};

TEST(Admission, OneAddressCannotTakeAllPlaces) {
  Gauges gauges;
  Admission admission({.sockets_max = 3, .sockets_per_address_max = 2, .large_messages_max = 1},
                      gauges.all());
  const auto first = admission.Admit("a");
  auto second = admission.Admit("a");
  EXPECT_EQ(admission.Admit("a"), nullptr);

  const auto third = admission.Admit("b");
  EXPECT_NE(third, nullptr);
  EXPECT_EQ(admission.Admit("c"), nullptr) << "there are only three";

  second.reset();
  EXPECT_NE(admission.Admit("a"), nullptr);
  EXPECT_EQ(admission.size(), 2u);
}

TEST(Admission, AProxysPlaceIsOfWhoeverAsks) {
  Gauges gauges;
  Admission admission({.sockets_max = 4, .sockets_per_address_max = 1, .large_messages_max = 1},
                      gauges.all());
  const auto first = admission.Admit("");
  const auto second = admission.Admit("");
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(first->MoveTo("a"));
  EXPECT_TRUE(first->MoveTo("a"));
  EXPECT_FALSE(second->MoveTo("a"));
  EXPECT_EQ(admission.Admit("a"), nullptr);

  EXPECT_TRUE(first->MoveTo("b"));
  EXPECT_TRUE(second->MoveTo("a"));
  EXPECT_EQ(admission.size(), 2u);
}

TEST(Admission, LargeMessagesHavePlacesOfTheirOwn) {
  Gauges gauges;
  Admission admission({.sockets_max = 3, .sockets_per_address_max = 3, .large_messages_max = 1},
                      gauges.all());
  const auto first = admission.Admit("a");
  const auto second = admission.Admit("b");

  std::shared_ptr<void> large = first->AdmitLargeMessage();
  EXPECT_NE(large, nullptr);
  EXPECT_EQ(second->AdmitLargeMessage(), nullptr);

  large.reset();
  EXPECT_NE(second->AdmitLargeMessage(), nullptr);
}

TEST(Admission, BodiesAreCountedInAllOfOneAddressAndOfOneUser) {
  Gauges gauges;
  Admission admission({.sockets_max = 3,
                       .sockets_per_address_max = 3,
                       .large_messages_max = 1,
                       .body_bytes_max = 100,
                       .body_bytes_each_max = 60},
                      gauges.all());
  auto first = admission.Admit("a");
  const auto second = admission.Admit("b");
  std::shared_ptr<void> body = first->AdmitBody("ana", 50);
  EXPECT_NE(body, nullptr);
  EXPECT_EQ(first->AdmitBody("ana", 11), nullptr);
  EXPECT_EQ(second->AdmitBody("ben", 51), nullptr) << "there are only 100";
  const std::shared_ptr<void> other = second->AdmitBody("ben", 50);
  EXPECT_EQ(gauges.body_bytes.Get(), 100);

  first.reset();
  body.reset();
  EXPECT_EQ(gauges.body_bytes.Get(), 50);
  EXPECT_EQ(second->AdmitBody("ben", 11), nullptr) << "of its own it has 50";
  const auto third = admission.Admit("c");
  EXPECT_EQ(third->AdmitBody("ben", 11), nullptr) << "wherever it comes from";
  EXPECT_NE(third->AdmitBody("ana", 50), nullptr);
}

}  // namespace
}  // namespace coterie::gateway
