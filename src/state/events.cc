// Event batches: one for each command that changed something, kept until retention drops them.

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {

void Machine::Impl::EmitAs(std::string user, EventBody body) {
  entry_.events.push_back({.user = std::move(user), .body = std::move(body)});
}

std::optional<EventBatch> Machine::Impl::StoreEvents() {
  if (entry_.events.empty()) return std::nullopt;
  EventBatch batch{
      .revision = entry_.revision, .time_ms = meta_.time_ms, .events = std::move(entry_.events)};
  const std::string encoded = EncodeEventBatch(batch);
  Put(Key('e', batch.revision).view(), encoded);
  events_.emplace_back(batch.revision, encoded.size());
  events_bytes_ += encoded.size();
  PruneEvents();
  return batch;
}

// The newest batch stays, however large.
void Machine::Impl::PruneEvents() {
  bool has_pruned = false;
  while (events_.size() > 1 && (events_.size() > options_.events_retained_max ||
                                events_bytes_ > options_.events_retained_bytes_max)) {
    const auto [revision, size_bytes] = events_.front();
    Delete(Key('e', revision).view());
    meta_.events_pruned_through = revision;
    CHECK(events_bytes_ >= size_bytes);
    events_bytes_ -= size_bytes;
    events_.pop_front();
    has_pruned = true;
  }
  if (has_pruned) ForgetOldDeletions();
}

void Machine::Impl::LoadEvents() {
  kv_.Scan("e", "f", [this](std::string_view key, std::string_view value) {
    // "e" and eight bytes; other tables' keys do not begin with "e".
    events_.emplace_back(Revision(NumberInKey(key, 0)), value.size());
    events_bytes_ += value.size();
    return true;
  });
}

std::vector<EventBatch> Machine::Impl::EventsAfter(Revision after, std::size_t batches_max,
                                                   std::size_t bytes_max) const {
  CHECK(after >= meta_.events_pruned_through);
  std::vector<EventBatch> batches;
  std::uint64_t bytes = 0;
  auto at = std::upper_bound(events_.begin(), events_.end(), after,
                             [](Revision wanted, const auto& kept) { return wanted < kept.first; });
  for (; at != events_.end() && batches.size() < batches_max; ++at) {
    // One batch at least, or a reader could never get past a large one.
    if (!batches.empty() && bytes + at->second > bytes_max) break;
    const std::optional<std::string> value = kv_.Get(Key('e', at->first).view());
    std::optional<EventBatch> batch;
    if (value) batch = DecodeEventBatch(*value);
    if (!batch || batch->revision != at->first) {
      Break("a stored event batch is missing, does not decode or is another one's");
      return batches;
    }
    batches.push_back(std::move(*batch));
    bytes += at->second;
  }
  return batches;
}

}  // namespace coterie::state
