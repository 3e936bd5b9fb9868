// Whoever has a document open in an editor is present.

#include <gtest/gtest.h>

#include "gateway/test_port.h"

namespace coterie::gateway {
namespace {

class PresencePort : public PortTest {
 protected:
  // All who are present.
  v1::ListPresentResponse Present() {
    return ana_.Call(&v1::PresenceService::Stub::ListPresent, v1::ListPresentRequest());
  }
};

TEST_F(PresencePort, WhoHasADocumentOpenIsPresentForAsLong) {
  node::Node& node = holder_.node->node();
  const SessionId session = ana_.Session();
  auto editor = OpenYjs("doc", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));

  EXPECT_TRUE(Becomes([&] {
    const v1::ListPresentResponse list = Present();
    return list.present_size() == 1 && list.present(0).session_id() == session.value() &&
           list.present(0).document_name() == "doc";
  }));
  EXPECT_TRUE(node.HasStreams(session));  // That is what keeps it.

  editor.reset();

  EXPECT_TRUE(Becomes([&] { return !node.HasStreams(session); }));
}

TEST_F(PresencePort, WhoWasThoughtGoneAndIsNotJoinsAgain) {
  const auto editor = OpenYjs("doc", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));
  ASSERT_TRUE(Becomes([&] { return Present().present_size() == 1; }));
  const std::uint64_t joined = Present().present(0).joined_revision();

  holder_.node->EndLease(ana_.Session());

  EXPECT_TRUE(Becomes([&] {
    const v1::ListPresentResponse list = Present();
    return list.present_size() == 1 && list.present(0).joined_revision() > joined;
  }));
}

TEST_F(PresencePort, WhoOpensADocumentFirstAsksTheOtherNodesWhoIsThere) {
  const auto first = OpenYjs("doc", ana_.token);
  const auto second = OpenYjs("doc", ana_.token);
  for (Editor* editor : {first.get(), second.get()}) {
    editor->Send(Ask());
    ASSERT_TRUE(editor->Await(Nothing()));
  }
  EXPECT_EQ(Metric("coterie_gateway_gossip_sent_total"), 1);
}

}  // namespace
}  // namespace coterie::gateway
