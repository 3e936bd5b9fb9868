#include "gateway/admission.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

TEST(Admission, OneAddressCannotTakeAllPlaces) {
  runtime::Gauge large_messages;
  Admission admission({.sockets_max = 3, .sockets_per_address_max = 2, .large_messages_max = 1},
                      large_messages);
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

TEST(Admission, LargeMessagesHavePlacesOfTheirOwn) {
  runtime::Gauge large_messages;
  Admission admission({.sockets_max = 3, .sockets_per_address_max = 3, .large_messages_max = 1},
                      large_messages);
  const auto first = admission.Admit("a");
  const auto second = admission.Admit("b");

  std::shared_ptr<void> large = first->AdmitLargeMessage();
  EXPECT_NE(large, nullptr);
  EXPECT_EQ(second->AdmitLargeMessage(), nullptr);

  large.reset();
  EXPECT_NE(second->AdmitLargeMessage(), nullptr);
}

}  // namespace
}  // namespace coterie::gateway
