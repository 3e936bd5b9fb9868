#include "sim/subscriber.h"

#include <utility>

namespace coterie::sim {
namespace {

constexpr std::size_t kBatchesPerPage = 20;
constexpr std::size_t kBytesPerPage = 1 << 20;
constexpr std::uint64_t kCatchUpUs = 500'000;

Told ToTold(const state::EventBatch& batch) {
  return {.revision = batch.revision, .digest = DigestOfEvents(EncodeEventBatch(batch))};
}

}  // namespace

Subscriber::Subscriber(Neighbourhood& around, std::uint64_t number)
    : around_(around), prng_(around.plan.seed * 6'007 + number) {}

bool Subscriber::IsConnected(const std::shared_ptr<Connection>& connection) const {
  return connection == connection_;
}

void Subscriber::Connect() {
  Server& server = around_.server(around_.ids[prng_.Below(around_.ids.size())]);
  if (!server.IsUp()) return ConnectLater();
  auto connection = std::make_shared<Connection>();
  connection->at = server.id();
  connection->life = server.life();
  connection_ = connection;
  connection->listener = server.replica()->Subscribe(
      [this, connection](const state::EventBatch& batch, const state::Machine&) {
        if (IsConnected(connection)) OnLive(batch);
      });
  CatchUp();
  // Then it moves on, whatever came of it.
  around_.schedule.After(prng_.Between(300'000, 3'000'000), [this, connection] {
    if (!IsConnected(connection)) return;
    Disconnect();
    ConnectLater();
  });
}

void Subscriber::Disconnect() {
  const std::shared_ptr<Connection> old = std::exchange(connection_, nullptr);
  if (!old) return;
  Server& server = around_.server(old->at);
  if (server.IsUp() && server.life() == old->life) server.replica()->Unsubscribe(old->listener);
}

void Subscriber::ConnectLater() {
  around_.schedule.After(prng_.Between(10'000, 100'000), [this] { Connect(); });
}

void Subscriber::CatchUp() {
  const std::shared_ptr<Connection> connection = connection_;
  connection->is_caught_up = false;
  const auto missed = std::make_shared<std::vector<Told>>();
  const auto has_gap = std::make_shared<bool>(false);
  const auto query = [this, missed, has_gap](const state::Machine& machine) {
    Revision after = reached_;
    if (after.Next() < machine.oldest_event_revision()) {
      *has_gap = true;  // It is told so, and goes on from there.
      after = machine.oldest_event_revision().Previous();
    }
    while (true) {
      const auto page = machine.EventsAfter(after, kBatchesPerPage, kBytesPerPage);
      if (page.empty()) break;
      for (const state::EventBatch& batch : page) missed->push_back(ToTold(batch));
      after = page.back().revision;
    }
  };
  Server& server = around_.server(connection->at);
  server.replica()->Read(node::Consistency::kLinearizable, absl::Microseconds(kCatchUpUs), query,
                         [this, connection, missed, has_gap](const absl::StatusOr<Revision>& at) {
                           if (!IsConnected(connection)) return;
                           if (!at.ok()) {
                             around_.schedule.After(1, [this, connection] {
                               if (!IsConnected(connection)) return;
                               Disconnect();
                               ConnectLater();
                             });
                             return;
                           }
                           if (*has_gap) around_.history.Add(std::exchange(told_, {}));
                           OnCaughtUp(*missed, *at);
                         });
  server.Wake();
}

void Subscriber::OnCaughtUp(const std::vector<Told>& missed, Revision at) {
  for (const Told& told : missed) Take(told);
  connection_->is_caught_up = true;
  for (const Told& told : std::exchange(connection_->live, {})) {
    if (told.revision > at) Take(told);
  }
}

void Subscriber::OnLive(const state::EventBatch& batch) {
  if (batch.events.empty()) {
    // The state jumped there: what lies between is to be read. Not from within the callback.
    if (!connection_->is_caught_up) return;
    connection_->is_caught_up = false;
    around_.schedule.After(1, [this, connection = connection_] {
      if (IsConnected(connection) && around_.server(connection->at).life() == connection->life &&
          around_.server(connection->at).IsUp()) {
        CatchUp();
      }
    });
    return;
  }
  if (connection_->is_caught_up) return Take(ToTold(batch));
  connection_->live.push_back(ToTold(batch));
}

void Subscriber::Take(const Told& told) {
  // A server that is behind tells again what another has told.
  if (told.revision <= reached_) return;
  reached_ = told.revision;
  told_.push_back(told);
}

void Subscriber::Finish() {
  Disconnect();
  around_.history.Add(std::exchange(told_, {}));
}

}  // namespace coterie::sim
