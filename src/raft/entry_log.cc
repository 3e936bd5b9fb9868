#include "raft/entry_log.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"

namespace coterie::raft {

EntryLog::EntryLog(LogPosition snapshot, Configuration configuration, std::vector<EntryRef> entries)
    : snapshot_(snapshot) {
  configurations_.emplace(snapshot.index, std::move(configuration));
  for (EntryRef& entry : entries) Append(std::move(entry));
}

std::optional<Term> EntryLog::TermAt(Index index) const {
  if (index == snapshot_.index) return snapshot_.term;
  if (index < snapshot_.index || index > last().index) return std::nullopt;
  return At(index).term;
}

const EntryRef& EntryLog::At(Index index) const {
  CHECK(index > snapshot_.index && index <= last().index);
  return entries_[index - first_index()];
}

LogPosition EntryLog::LastAtMost(LogPosition bound) const {
  Index index = std::min(bound.index, last().index);
  while (index > snapshot_.index && At(index).term > bound.term) index = index.Previous();
  if (index <= snapshot_.index) return snapshot_;
  return At(index).position();
}

std::vector<EntryRef> EntryLog::Slice(Index first, Index last, std::size_t bytes_max) const {
  std::vector<EntryRef> slice;
  if (first > last) return slice;
  CHECK(first > snapshot_.index && last <= this->last().index);
  std::size_t bytes = 0;
  for (auto at = entries_.begin() + static_cast<std::ptrdiff_t>(first - first_index());
       first <= last; ++first, ++at) {
    bytes += at->size_bytes();
    if (!slice.empty() && bytes > bytes_max) break;
    slice.push_back(*at);
  }
  return slice;
}

void EntryLog::Append(EntryRef entry) {
  CHECK(entry.index == last().index.Next());
  CHECK(entry.term >= last().term);
  if (entry.type == EntryType::kConfiguration) {
    std::optional<Configuration> configuration = DecodeConfiguration(entry.payload.view());
    CHECK(configuration.has_value());  // Judged when it came in from a peer, a disk or a proposal.
    configurations_.emplace(entry.index, *std::move(configuration));
  }
  entries_.push_back(std::move(entry));
}

void EntryLog::TruncateFrom(Index from) {
  CHECK(from > snapshot_.index);
  while (!entries_.empty() && entries_.back().index >= from) entries_.pop_back();
  const auto dropped = configurations_.lower_bound(from);
  const bool is_any_dropped = dropped != configurations_.end();
  configurations_.erase(dropped, configurations_.end());
  // The mutant falls back to the snapshot's at once, past older ones in the log.
  if (IsMutant(7) && is_any_dropped) {
    configurations_.erase(std::next(configurations_.begin()), configurations_.end());
  }
}

void EntryLog::CompactTo(Index index) {
  if (index <= snapshot_.index) return;
  CHECK(index <= last().index);
  Configuration configuration = ConfigurationAt(index);
  snapshot_ = At(index).position();
  while (!entries_.empty() && entries_.front().index <= index) entries_.pop_front();
  configurations_.erase(configurations_.begin(), configurations_.upper_bound(index));
  configurations_.emplace(index, std::move(configuration));
}

void EntryLog::Reset(LogPosition snapshot, Configuration configuration) {
  snapshot_ = snapshot;
  if (IsMutant(6)) {  // Keeps what stands behind the snapshot, though nobody has said that it fits.
    while (!entries_.empty() && entries_.front().index <= snapshot.index) entries_.pop_front();
    configurations_.erase(configurations_.begin(), configurations_.upper_bound(snapshot.index));
  } else {
    entries_.clear();
    configurations_.clear();
  }
  configurations_.emplace(snapshot.index, std::move(configuration));
}

const Configuration& EntryLog::configuration() const { return configurations_.rbegin()->second; }

Index EntryLog::configuration_index() const { return configurations_.rbegin()->first; }

const Configuration& EntryLog::ConfigurationAt(Index index) const {
  const auto after = configurations_.upper_bound(index);
  CHECK(after != configurations_.begin());
  return std::prev(after)->second;
}

}  // namespace coterie::raft
