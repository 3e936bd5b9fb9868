// Whoever has a document open in an editor is present.

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "gateway/gossip.h"
#include "gateway/room.h"
#include "gateway/test_node.h"
#include "gateway/test_port.h"
#include "rpc/call_rates.h"
#include "rpc/steady_time.h"

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

// --- The other end of that question ---

class RoomAwarenessTest : public RoomNodeTest {
 protected:
  RoomAwarenessTest() {
    doc_ = Do(LoginAs("ana"), state::CreateDocument{.name = "notes"}).doc;
    OnShard([this] {
      room_ = std::make_shared<Room>(Room::Options{.node = *node_,
                                                   .shard = shard_,
                                                   .counters = counters_,
                                                   .rates = rates_,
                                                   .lag = lag_,
                                                   .doc = doc_,
                                                   .directory = directory_,
                                                   .entry = directory_->Enter(doc_, {})});
    });
  }
  ~RoomAwarenessTest() override {
    OnShard([this] { room_.reset(); });
    Stop();
  }

  rpc::CallRates rates_{0};
  std::shared_ptr<RoomDirectory> directory_ = std::make_shared<RoomDirectory>();
  std::shared_ptr<Room> room_;
  DocId doc_;
};

TEST_F(RoomAwarenessTest, ARoomTellsWhoAsksAtOnce) {
  OnShard([this] {
    room_->ShowGuest(
        {.session = SessionId(9), .entry = {.client = crdt::Client(5), .clock = 1, .state = "{}"}});
    room_->Tick(rpc::SteadyNow());
    const std::uint64_t told = counters_.gossip_sent.Get();

    room_->Receive(NodeId(2), {.kind = RoomGossip::Kind::kQuestion, .doc = doc_});

    EXPECT_EQ(counters_.gossip_sent.Get(), told + 1);
  });
}

}  // namespace
}  // namespace coterie::gateway
