#include "crdt/update_view.h"

#include <algorithm>

#include "base/check.h"
#include "crdt/struct_writer.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

bool AreClientsDescending(std::string_view deleted) {
  Lib0Reader reader(deleted);
  std::uint64_t before = kClientMax + 1;
  for (std::uint64_t clients = reader.VarUint(); clients > 0; --clients) {
    const std::uint64_t client = reader.VarUint();
    const std::uint64_t ranges = reader.VarUint();
    if (client >= before || ranges == 0) return false;
    before = client;
    for (std::uint64_t i = 0; i < 2 * ranges; ++i) static_cast<void>(reader.VarUint());
  }
  CHECK(reader.ok());
  return true;
}

}  // namespace

// What of a group is new to somebody: `head`, without what they have, and what follows.
struct UpdateView::Tail {
  Piece head;
  std::uint64_t structs = 0;    // With the head.
  std::size_t begin_bytes = 0;  // Behind the head.
};

void UpdateView::Add(const StructSpan& span, bool is_first_of_client) {
  const auto offset = static_cast<std::size_t>(span.bytes.data() - update_.data());
  if (is_first_of_client) {
    groups_.push_back({.client = span.id.client,
                       .begin = span.id.clock,
                       .gap = span.id.clock,
                       .begin_bytes = offset});
    first_mark_.push_back(marks_.size());
  }
  Group& group = groups_.back();
  if (group.structs % kIndexStride == 0) {
    marks_.push_back({.clock = span.id.clock, .offset_bytes = offset});
  }
  ++group.structs;
  group.end = span.id.clock + span.length;
  group.end_bytes = offset + span.bytes.size();
  if (span.content != ContentKind::kSkip && group.gap == span.id.clock) group.gap = group.end;
  if (span.has_idle_bits) idle_bits_.push_back(offset);
}

void UpdateView::Add(const StructRun& run) {
  Group& group = groups_.back();
  group.structs += run.structs;
  if (group.gap == group.end) group.gap = run.end;
  group.end = run.end;
  group.end_bytes += run.bytes.size();
}

Malformed UpdateView::Open(std::string_view update, UpdateView& view) {
  UpdateView made;
  made.update_ = update;
  UpdateReader reader(update);
  StructSpan span;
  StructRun run;
  while (reader.NextSpan(span)) {
    made.Add(span, reader.is_first_of_client());
    // Up to the next mark.
    const std::uint64_t more = (0 - made.groups_.back().structs) % kIndexStride;
    if (reader.NextRun({.structs = more}, run)) made.Add(run);
  }
  if (!reader.ok()) return reader.malformed();
  Lib0Reader& rest = reader.rest();
  made.deleted_begin_ = rest.offset_bytes();
  static_cast<void>(SkimDeleteSet(rest));
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (!rest.ok()) return rest.malformed();
  made.is_deleted_sorted_ = AreClientsDescending(made.deleted_bytes());
  view = std::move(made);
  return {};
}

StateVector UpdateView::state_vector() const {
  StateVector vector;
  // Ascending, so that each is put at the end.
  std::vector<std::pair<Client, Clock>> clocks;
  clocks.reserve(groups_.size());
  for (const Group& group : groups_) {
    if (group.begin == 0) clocks.emplace_back(group.client, group.gap);
  }
  std::sort(clocks.begin(), clocks.end());
  for (const auto& [client, clock] : clocks) vector.Set(client, clock);
  return vector;
}

bool UpdateView::has_gaps() const {
  return std::any_of(groups_.begin(), groups_.end(),
                     [](const Group& group) { return group.begin != 0 || group.gap != group.end; });
}

DeleteSet UpdateView::deleted() const {
  Lib0Reader reader(deleted_bytes());
  DeleteSet set = DeleteSet::Decode(reader);
  CHECK(reader.ok());
  return set;
}

// False if all of the group is known, or if what is not is nothing but skips.
bool UpdateView::FindTail(std::size_t index, Clock known, Tail& tail) const {
  const Group& group = groups_[index];
  if (group.end <= known) return false;
  const auto first = marks_.begin() + static_cast<std::ptrdiff_t>(first_mark_[index]);
  const auto last = index + 1 < first_mark_.size()
                        ? marks_.begin() + static_cast<std::ptrdiff_t>(first_mark_[index + 1])
                        : marks_.end();
  auto mark = std::upper_bound(first, last, known,
                               [](Clock clock, const Mark& at) { return clock < at.clock; });
  if (mark != first) --mark;
  const std::uint64_t before = static_cast<std::uint64_t>(mark - first) * kIndexStride;
  UpdateReader reader(update_, {.offset_bytes = mark->offset_bytes,
                                .id = {.client = group.client, .clock = mark->clock},
                                .structs = group.structs - before});
  StructSpan span;
  for (std::uint64_t i = before; reader.NextSpan(span); ++i) {
    if (span.id.clock + span.length <= known || span.content == ContentKind::kSkip) continue;
    tail.head = Piece(span);
    if (span.id.clock < known) tail.head.CutFront(known - span.id.clock);
    tail.structs = group.structs - i;
    tail.begin_bytes =
        static_cast<std::size_t>(span.bytes.data() - update_.data()) + span.bytes.size();
    return true;
  }
  CHECK(reader.ok());
  return false;
}

void UpdateView::CopyCanonical(std::size_t begin, std::size_t end, std::string& to) const {
  const std::size_t shift = to.size();
  to.append(update_.substr(begin, end - begin));
  for (auto idle = std::lower_bound(idle_bits_.begin(), idle_bits_.end(), begin);
       idle != idle_bits_.end() && *idle < end; ++idle) {
    char& info = to[shift + *idle - begin];
    info = static_cast<char>(CanonicalInfo(static_cast<std::uint8_t>(info)));
  }
}

std::string UpdateView::Diff(const StateVector& known) const {
  return is_deleted_sorted_ ? DiffWith(known, deleted_bytes()) : Diff(known, deleted());
}

std::string UpdateView::Diff(const StateVector& known, const DeleteSet& deleted) const {
  return DiffWith(known, deleted.Encode());
}

std::string UpdateView::DiffWith(const StateVector& known, std::string_view deleted) const {
  std::vector<std::pair<std::size_t, Tail>> tails;
  std::size_t size = 16 + deleted.size();
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    Tail tail;
    if (!FindTail(i, known.At(groups_[i].client), tail)) continue;
    tails.emplace_back(i, tail);
    // The head of the group, and of a struct that is cut: at most nine bytes a number.
    size += 64 + tail.head.bytes.size() + groups_[i].end_bytes - tail.begin_bytes;
  }
  std::string update;
  update.reserve(size);
  Lib0Writer head;
  head.VarUint(tails.size());
  for (const auto& [index, tail] : tails) {
    head.VarUint(tail.structs);
    head.VarUint(tail.head.id.client.value());
    head.VarUint(tail.head.id.clock);
    WritePiece(tail.head, head);
    update.append(head.view());
    head = Lib0Writer();
    CopyCanonical(tail.begin_bytes, groups_[index].end_bytes, update);
  }
  update.append(head.view());
  return update.append(deleted);
}

}  // namespace coterie::crdt
