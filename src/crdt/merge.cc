#include "crdt/merge.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/check.h"
#include "crdt/chains.h"
#include "crdt/delete_set.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr Client kBeyondAll{kClientMax + 1};

// How the groups of an update are ordered: descending by client in what Yjs writes; else they must
// be found first.
enum class GroupOrder : std::uint8_t { kDescending, kUnknown };

// One update's structs, skips left out, descending by client and then ascending by clock.
class Source {
 public:
  Source(std::string_view update, GroupOrder order);

  // To the next piece. There is none behind the last one, nor in a malformed update.
  void Next();
  // To the next piece that does not end at `end` or before, or is another client's.
  void SkipTo(Clock end);
  // Structs that follow the piece without a gap, none of them a GC or a skip; false if there are
  // none that can be had at once. To be followed by Next().
  bool MaybeTakeRun(StructRun& run) { return reader_.NextRun({}, run); }
  const Piece& piece() const { return piece_; }
  bool has_piece() const { return has_piece_; }
  // Only when there is no piece any more.
  void AddDeleted(std::vector<std::pair<Client, ClockRange>>& deleted);
  // The groups did not descend, though it was said that they do: start again.
  bool is_out_of_order() const { return is_out_of_order_; }
  const Malformed& malformed() const { return malformed_; }

 private:
  bool NextSpan(StructSpan& span);

  std::string_view update_;
  UpdateReader reader_;
  GroupOrder order_;
  std::vector<UpdateReader::Place> groups_;  // Those to come, the next one last.
  std::size_t deleted_begin_ = 0;
  Client client_ = kBeyondAll;
  bool is_out_of_order_ = false;
  bool has_piece_ = false;
  Piece piece_;
  Malformed malformed_;
};

Source::Source(std::string_view update, GroupOrder order)
    : update_(update), reader_(update), order_(order) {
  if (order == GroupOrder::kDescending) {
    Next();
    return;
  }
  StructSpan span;
  while (reader_.NextSpan(span)) {
    if (reader_.is_first_of_client()) {
      const auto offset = static_cast<std::size_t>(span.bytes.data() - update_.data());
      groups_.push_back({.offset_bytes = offset, .id = span.id});
    }
    ++groups_.back().structs;
  }
  malformed_ = reader_.malformed();
  if (malformed_) return;
  deleted_begin_ = reader_.rest().offset_bytes();
  std::sort(groups_.begin(), groups_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  Next();
}

bool Source::NextSpan(StructSpan& span) {
  while (!reader_.NextSpan(span)) {
    if (groups_.empty()) return false;
    reader_ = UpdateReader(update_, groups_.back());
    groups_.pop_back();
  }
  return true;
}

void Source::Next() {
  StructSpan span;
  do {
    has_piece_ = NextSpan(span);
    if (!has_piece_) {
      if (order_ == GroupOrder::kDescending) deleted_begin_ = reader_.rest().offset_bytes();
      if (!malformed_) malformed_ = reader_.malformed();
      return;
    }
    if (span.id.client > client_) is_out_of_order_ = true;
    client_ = span.id.client;
  } while (span.content == ContentKind::kSkip);
  piece_ = Piece(span);
}

void Source::SkipTo(Clock end) {
  const Client client = piece_.id.client;
  StructRun run;
  do {
    static_cast<void>(reader_.NextRun({.end = end}, run));
    Next();
  } while (has_piece_ && piece_.id.client == client && piece_.end() <= end);
}

void Source::AddDeleted(std::vector<std::pair<Client, ClockRange>>& deleted) {
  if (malformed_) return;
  Lib0Reader reader(update_);
  reader.Advance(deleted_begin_);
  DeleteSet::DecodeTo(reader, deleted);
  if (reader.ok() && !reader.AtEnd()) reader.Fail(kBytesFollow);
  malformed_ = reader.malformed();
}

bool IsGc(const Piece& piece) { return piece.content == ContentKind::kGc; }

// The sources that have a piece, the one whose piece comes first in front.
//
// At one place one update may have a GC and another one the item. Yjs's order says then of each of
// the two that it comes before the other, so which one is written depends on how JavaScript sorts.
// Of up to kFewMax sources that is done as V8 does it (a run is found, and reversed if it descends;
// the others are inserted by binary search), so that the bytes are the same. Of more, whichever
// comes.
class Queue {
 public:
  explicit Queue(std::vector<Source>& sources);
  // Nothing when none has a piece any more. Only this one may move on until it is asked again.
  Source* Front();

 private:
  static constexpr std::size_t kFewMax = 32;

  struct Entry {
    Source* source = nullptr;
    Id id;                   // Of its piece when it was put here.
    std::int64_t place = 0;  // Among those at the same id: the lowest first.
  };
  static bool ComesLater(const Entry& a, const Entry& b);
  static bool IsBeforeInYjs(const Entry& a, const Entry& b);
  void ReinsertFront();
  void SortAsV8();

  std::vector<Entry> entries_;
  std::int64_t lowest_place_ = 0;
  bool is_few_ = true;
  bool was_asked_ = false;
};

Queue::Queue(std::vector<Source>& sources) {
  for (Source& source : sources) {
    if (!source.has_piece()) continue;
    const auto place = static_cast<std::int64_t>(entries_.size());
    entries_.push_back({.source = &source, .id = source.piece().id, .place = place});
  }
  is_few_ = entries_.size() <= kFewMax;
  if (!is_few_) std::make_heap(entries_.begin(), entries_.end(), ComesLater);
}

Source* Queue::Front() {
  if (is_few_) {
    std::erase_if(entries_, [](const Entry& entry) { return !entry.source->has_piece(); });
    for (Entry& entry : entries_) entry.id = entry.source->piece().id;
    SortAsV8();
  } else if (was_asked_ && !entries_.empty()) {
    ReinsertFront();
  }
  was_asked_ = true;
  return entries_.empty() ? nullptr : entries_.front().source;
}

bool Queue::ComesLater(const Entry& a, const Entry& b) {
  if (a.id.client != b.id.client) return a.id.client < b.id.client;
  return a.id.clock != b.id.clock ? a.id.clock > b.id.clock : a.place > b.place;
}

bool Queue::IsBeforeInYjs(const Entry& a, const Entry& b) {
  if (a.id.client != b.id.client) return a.id.client > b.id.client;
  if (a.id.clock != b.id.clock) return a.id.clock < b.id.clock;
  return IsGc(a.source->piece()) != IsGc(b.source->piece());
}

void Queue::ReinsertFront() {
  std::pop_heap(entries_.begin(), entries_.end(), ComesLater);
  Entry& moved = entries_.back();
  if (!moved.source->has_piece()) return entries_.pop_back();
  moved.id = moved.source->piece().id;
  // As a stable sort would have it: it stood before all others.
  moved.place = --lowest_place_;
  std::push_heap(entries_.begin(), entries_.end(), ComesLater);
}

void Queue::SortAsV8() {
  if (entries_.size() < 2) return;
  const bool descends = IsBeforeInYjs(entries_[1], entries_[0]);
  std::size_t run = 2;
  while (run < entries_.size() && IsBeforeInYjs(entries_[run], entries_[run - 1]) == descends)
    ++run;
  if (descends) std::reverse(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(run));
  for (; run < entries_.size(); ++run) {
    const Entry entry = entries_[run];
    std::size_t first = 0;
    std::size_t last = run;
    while (first < last) {
      const std::size_t middle = first + (last - first) / 2;
      if (IsBeforeInYjs(entry, entries_[middle])) {
        last = middle;
      } else {
        first = middle + 1;
      }
    }
    std::move_backward(entries_.begin() + static_cast<std::ptrdiff_t>(first),
                       entries_.begin() + static_cast<std::ptrdiff_t>(run),
                       entries_.begin() + static_cast<std::ptrdiff_t>(run) + 1);
    entries_[first] = entry;
  }
}

// Holds one piece back: what comes next may continue it.
class Merger {
 public:
  void Run(Queue& queue);
  StructWriter& writer() { return writer_; }

 private:
  bool MaybeTake(Source& source);
  // Takes the source's piece, and what is known at a glance to follow it.
  void TakeFrom(Source& source);
  void Replace(const Piece& piece);
  void Flush();

  StructWriter writer_;
  enum class Held : std::uint8_t { kNothing, kPiece, kWritten };
  Held held_ = Held::kNothing;
  Piece pending_;  // Of what is written already, only the ids and lengths count.
};

void Merger::Flush() {
  if (held_ == Held::kPiece) writer_.Write(pending_);
  held_ = Held::kNothing;
}

void Merger::Replace(const Piece& piece) {
  Flush();
  pending_ = piece;
  held_ = Held::kPiece;
}

void Merger::TakeFrom(Source& source) {
  Replace(source.piece());
  StructRun run;
  if (source.MaybeTakeRun(run)) {
    Flush();
    writer_.WriteRun(run.first, run.structs, run.bytes);
    pending_ = Piece();
    pending_.id = run.first;
    pending_.length = run.end - run.first.clock;
    pending_.content = ContentKind::kDeleted;  // Neither a GC nor a skip.
    held_ = Held::kWritten;
  }
  source.Next();
}

// Leaves a source that has nothing new, or nothing new yet.
bool Merger::MaybeTake(Source& source) {
  const Client client = source.piece().id.client;
  bool has_moved = false;
  while (source.has_piece() && source.piece().id.client >= pending_.id.client &&
         source.piece().end() <= pending_.end()) {
    source.SkipTo(pending_.end());
    has_moved = true;
  }
  if (!source.has_piece() || source.piece().id.client != client) return false;
  Piece piece = source.piece();
  if (has_moved && piece.id.clock > pending_.end()) return false;
  if (client != pending_.id.client) {
    TakeFrom(source);
    return true;
  }
  if (pending_.end() < piece.id.clock) {
    Piece skip;
    skip.id = {.client = client, .clock = pending_.end()};
    skip.length = piece.id.clock - pending_.end();
    skip.content = ContentKind::kSkip;
    Replace(skip);
    return true;
  }
  const Clock overlap = pending_.end() - piece.id.clock;
  if (overlap == 0 && !(IsGc(pending_) && IsGc(piece))) {
    TakeFrom(source);
    return true;
  }
  if (overlap > 0) {
    CHECK(pending_.content != ContentKind::kSkip);
    piece.CutFront(overlap);
  }
  if (IsGc(pending_) && IsGc(piece)) {
    pending_.length += piece.length;
    pending_.bytes = {};
    return true;
  }
  Replace(piece);
  source.Next();
  return true;
}

void Merger::Run(Queue& queue) {
  while (Source* source = queue.Front()) {
    const Client client = source->piece().id.client;
    if (held_ == Held::kNothing) {
      TakeFrom(*source);
    } else if (!MaybeTake(*source)) {
      continue;
    }
    while (source->has_piece() &&
           source->piece().id == Id{.client = client, .clock = pending_.end()}) {
      TakeFrom(*source);
    }
  }
  Flush();
}

MergeResult Merge(std::span<const std::string_view> updates, GroupOrder order) {
  std::vector<Source> sources;
  sources.reserve(updates.size());
  for (const std::string_view update : updates) sources.emplace_back(update, order);
  Queue queue(sources);
  Merger merger;
  merger.Run(queue);
  std::vector<std::pair<Client, ClockRange>> deleted;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    sources[i].AddDeleted(deleted);
    if (sources[i].malformed()) return {.malformed = sources[i].malformed(), .which = i};
  }
  const auto is_out_of_order = [](const Source& source) { return source.is_out_of_order(); };
  if (order == GroupOrder::kDescending &&
      std::any_of(sources.begin(), sources.end(), is_out_of_order)) {
    return Merge(updates, GroupOrder::kUnknown);
  }
  return {.update = merger.writer().Finish(DeleteSet::FromRanges(std::move(deleted)))};
}

// Whether they are what was written bit by bit, each behind the others: then they are in `chains`.
// Not tried with large ones, which would be read for nothing if they are not.
bool AreChained(std::span<const std::string_view> updates, Chains& chains) {
  constexpr std::size_t kMeanBytesMax = 256;
  std::size_t bytes = 0;
  for (const std::string_view update : updates) bytes += update.size();
  return bytes <= kMeanBytesMax * updates.size() &&
         std::all_of(updates.begin(), updates.end(),
                     [&chains](std::string_view update) { return chains.Add(update); });
}

}  // namespace

MergeResult MergeUpdates(std::span<const std::string_view> updates) {
  if (updates.size() != 1) {
    Chains chains;
    return AreChained(updates, chains) ? MergeResult{.update = chains.Finish()}
                                       : Merge(updates, GroupOrder::kDescending);
  }
  if (const Malformed malformed = ValidateUpdate(updates[0])) return {.malformed = malformed};
  return {.update = std::string(updates[0])};
}

}  // namespace coterie::crdt
