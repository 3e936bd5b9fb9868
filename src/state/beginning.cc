// How the state of a backup begins another cluster.

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {

void Machine::Impl::BeginAnew(const Beginning& beginning) {
  CHECK(!divergence_ && !has_pending_ && beginning.index > applied_.index);
  BeginEntry(beginning.index, beginning.configuration);
  while (!sessions_.empty()) EndSession(sessions_.begin()->first, LeaveReason::kLoggedOut);
  entry_.events.clear();
  for (const auto& [revision, size_bytes] : events_) Delete(Key('e', revision).view());
  events_.clear();
  events_bytes_ = 0;
  meta_.events_pruned_through = beginning.index;
  ForgetOldDeletions();

  writers_seed_ = beginning.writers_seed;
  Put(kWritersKey, codec::EncodeRecord(writers_seed_));
  contents_.clear();  // They write as before.
  content_uses_.clear();
  contents_bytes_ = 0;

  applied_.configuration = beginning.configuration;
  applied_.configuration_index = beginning.index;
  FinishEntry(beginning.term, beginning.index);
  Commit();
}

}  // namespace coterie::state
