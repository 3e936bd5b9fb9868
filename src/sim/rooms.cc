#include "sim/rooms.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "node/replica.h"

namespace coterie::sim {
namespace {

// Long for a turn, so that several are in it although a run has few clients.
constexpr std::uint64_t kTurnUsMax = 150'000;

}  // namespace

void Rooms::Write(Server& server, DocId doc, state::UpdatePart part, absl::Duration timeout,
                  Done done) {
  CHECK(server.IsUp());
  Turn& turn = turns_[{server.id(), doc}];
  if (turn.life != server.life()) turn = {};  // What it had gathered is gone.
  const auto is_same = [&part](const state::UpdatePart& other) {
    return other.session == part.session && other.request.client == part.request.client;
  };
  const auto before = std::ranges::find_if(turn.parts, is_same);
  if (before != turn.parts.end()) {  // It did not wait for the end of the turn.
    turn.dones[static_cast<std::size_t>(before - turn.parts.begin())] = std::move(done);
    *before = std::move(part);
    return;
  }
  turn.parts.push_back(std::move(part));
  turn.dones.push_back(std::move(done));
  if (turn.parts.size() > 1) return;
  turn.life = server.life();
  schedule_.After(prng_.Below(kTurnUsMax), [this, &server, doc, timeout, life = turn.life] {
    if (server.IsUp() && server.life() == life) End(server, doc, timeout);
  });
}

void Rooms::End(Server& server, DocId doc, absl::Duration timeout) {
  Turn turn = std::exchange(turns_[{server.id(), doc}], {});
  CHECK(!turn.parts.empty());
  const auto dones = std::make_shared<const std::vector<Done>>(std::move(turn.dones));
  server.replica()->Propose(
      {.body = state::ApplyUpdates{.doc = doc, .parts = std::move(turn.parts)}}, timeout,
      [this, dones](const absl::StatusOr<state::Outcome>& got) {
        const bool is_decided = got.ok() && got->ok();
        if (is_decided) CHECK(got->parts.size() == dones->size());
        if (is_decided && dones->size() > 1) ++joint_edits_;
        for (std::size_t i = 0; i < dones->size(); ++i) {
          (*dones)[i](is_decided ? absl::StatusOr<state::Outcome>(got->parts[i]) : got);
        }
      });
  server.Wake();
}

}  // namespace coterie::sim
