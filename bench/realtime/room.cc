#include "bench/realtime/room.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "bench/realtime/wire.h"

namespace coterie::bench {

std::uint64_t NowNanoseconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

void Room::Add(Epoll& epoll, const Editor::Options& options) {
  const std::size_t reader = editors_.size();
  editors_.push_back(std::make_unique<Editor>(
      epoll, options, reader,
      [this](Editor& editor, std::string_view update) { OnUpdate(editor.number(), update); }));
  sent_ns_.emplace_back();
  seen_.push_back(0);
  for (std::vector<crdt::Clock>& has : has_) has.resize(editors_.size());
  has_.emplace_back(editors_.size());
}

void Room::Type(std::size_t writer, std::uint64_t due_ns) {
  Editor& editor = *editors_[writer];
  if (editor.state() != Editor::State::kSynced) return;
  const auto clock = static_cast<crdt::Clock>(sent_ns_[writer].size());
  sent_ns_[writer].push_back(due_ns);
  editor.SendUpdate(TypedLetter(crdt::Client(first_client_ + writer), clock));
}

void Room::OnUpdate(std::size_t reader, std::string_view update) {
  if (update != last_update_) {
    crdt::UpdateView view;
    CHECK(!crdt::UpdateView::Open(update, view));  // A server that sends nonsense is not measured.
    last_update_ = update;
    last_groups_ = view.groups();
  }
  for (const crdt::UpdateView::Group& group : last_groups_) {
    const std::uint64_t client = group.client.value();
    if (client < first_client_ || client - first_client_ >= editors_.size()) continue;
    Learn(reader, client - first_client_, group);
  }
}

void Room::Learn(std::size_t reader, std::size_t writer, const crdt::UpdateView::Group& group) {
  crdt::Clock& has = has_[reader][writer];
  if (group.begin > has || group.gap <= has) return;
  const crdt::Clock begin = std::exchange(has, group.gap);
  if (reader == writer) return;
  seen_[writer] = std::max(seen_[writer], has);
  const std::vector<std::uint64_t>& sent_ns = sent_ns_[writer];
  const auto end = static_cast<crdt::Clock>(std::min<std::size_t>(has, sent_ns.size()));
  for (crdt::Clock clock = begin; clock < end; ++clock) {
    on_delivery_(*this,
                 {.sent_ns = sent_ns[clock], .writer = writer, .reader = reader, .clock = clock});
  }
}

}  // namespace coterie::bench
