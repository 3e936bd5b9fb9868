#include "crdt/split.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/delete_set.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::size_t kVarUintBytesMax = 9;
// Of a group: how many structs, which client, from which clock on.
constexpr std::size_t kGroupHeadBytesMax = 3 * kVarUintBytesMax;
// Of an update: how many groups, and a delete set of nothing.
constexpr std::size_t kUpdateHeadBytesMax = kVarUintBytesMax + 1;
// Of an item that is cut: the first byte, two ids, the length of its text.
constexpr std::size_t kItemHeadBytesMax = 1 + 5 * kVarUintBytesMax;
constexpr std::size_t kCodePointBytesMax = 4;
constexpr std::string_view kEmptyUpdate("\0\0", 2);

// One client's structs, read one after the other.
struct Group {
  UpdateReader reader;
  Client client;
  Clock end = 0;     // Behind its last struct.
  bool has = false;  // `view` and `bytes` are the next struct.
  StructView view;
  std::string_view bytes;
  // What of it is in the part being made: a run of neighbours.
  UpdateReader::Place run;
  bool is_in_part = false;
  std::uint64_t skips = 0;  // Behind the run, and their bytes: they count if the run goes on.
  std::size_t skip_bytes = 0;

  Clock next() const { return has ? view.id.clock : end; }
  void Advance() {
    has = reader.Next(view);
    if (has) bytes = reader.bytes();
  }
};

class Splitter {
 public:
  Splitter(std::string_view update, std::size_t size_max)
      : update_(update), size_max_(size_max), room_(size_max - kUpdateHeadBytesMax) {}
  SplitResult Run();

 private:
  struct Goal {
    std::size_t group;
    Clock end;  // Until all before is there.
  };
  bool Open();
  void EmitAll();
  std::optional<Goal> MissingOf(const StructView& view) const;
  std::optional<Goal> Missing(Id id) const;
  void Emit(Group& group);
  void EmitCut(const StructView& view);
  void FinishPart(std::string_view deleted);
  void EmitDeleted(const DeleteSet& deleted);

  const std::string_view update_;
  const std::size_t size_max_;
  const std::size_t room_;  // Of a part, for groups.
  std::vector<Group> groups_;
  std::vector<std::pair<Client, std::size_t>> by_client_;  // Sorted.
  std::size_t deleted_begin_ = 0;
  std::vector<std::size_t> part_;  // Groups that have a run in the part being made.
  std::size_t part_bytes_ = 0;     // At most so many, when written.
  SplitResult result_;
};

// Where each client's structs begin. False if the update is malformed, or too much of something.
bool Splitter::Open() {
  UpdateReader reader(update_);
  StructSpan span;
  std::vector<UpdateReader::Place> places;
  std::vector<Clock> ends;
  while (reader.NextSpan(span)) {
    if (reader.is_first_of_client()) {
      if (places.size() == kSplitClientsMax) {
        result_.refused = {.reason = kTooManyClients};
        return false;
      }
      const auto offset = static_cast<std::size_t>(span.bytes.data() - update_.data());
      places.push_back({.offset_bytes = offset, .id = span.id});
      ends.emplace_back();
    }
    ++places.back().structs;
    ends.back() = span.id.clock + span.length;
  }
  if (reader.ok()) {
    deleted_begin_ = reader.rest().offset_bytes();
    static_cast<void>(SkimDeleteSet(reader.rest()));
    if (reader.ok() && !reader.rest().AtEnd()) reader.rest().Fail(kBytesFollow);
  }
  result_.refused = reader.malformed();
  if (!reader.ok()) return false;
  for (std::size_t i = 0; i < places.size(); ++i) {
    groups_.push_back({.reader = UpdateReader(update_, places[i]),
                       .client = places[i].id.client,
                       .end = ends[i]});
    groups_.back().Advance();
    by_client_.emplace_back(places[i].id.client, i);
  }
  std::sort(by_client_.begin(), by_client_.end());
  return true;
}

// What must be there before a struct that refers to `id`: nothing if it is, or never will be.
std::optional<Splitter::Goal> Splitter::Missing(Id id) const {
  const auto found =
      std::lower_bound(by_client_.begin(), by_client_.end(), std::pair(id.client, std::size_t{0}));
  if (found == by_client_.end() || found->first != id.client) return std::nullopt;
  const Group& group = groups_[found->second];
  if (id.clock < group.next() || id.clock >= group.end) return std::nullopt;
  return Goal{.group = found->second, .end = id.clock + 1};
}

std::optional<Splitter::Goal> Splitter::MissingOf(const StructView& view) const {
  std::optional<Goal> goal;
  const auto look = [&](bool has, Id id) {
    if (!goal && has && id.client != view.id.client) goal = Missing(id);
  };
  look(view.has_origin, view.origin);
  look(view.has_right_origin, view.right_origin);
  look(view.parent == ParentKind::kItem, view.parent_item);
  return goal;
}

// Depth first, as Yjs integrates: what the next struct waits for comes before it. Every struct is
// looked at once for each of its references, so that this ends.
void Splitter::EmitAll() {
  std::vector<Goal> stack;
  std::vector<bool> is_waiting(groups_.size(), false);
  for (std::size_t first = 0; first < groups_.size(); ++first) {
    stack.push_back({.group = first, .end = groups_[first].end});
    is_waiting[first] = true;
    while (!stack.empty() && !result_.refused) {
      const Goal goal = stack.back();
      Group& group = groups_[goal.group];
      if (!group.has || group.next() >= goal.end) {
        is_waiting[goal.group] = false;
        stack.pop_back();
        continue;
      }
      const std::optional<Goal> missing = MissingOf(group.view);
      // In a circle nothing can be integrated, ever; then the order does not matter.
      if (missing && !is_waiting[missing->group]) {
        is_waiting[missing->group] = true;
        stack.push_back(*missing);
        continue;
      }
      Emit(group);
      group.Advance();
    }
  }
}

// Puts the group's next struct into the part, or begins a new part with it.
void Splitter::Emit(Group& group) {
  if (group.view.content == ContentKind::kSkip) {
    ++group.skips;
    group.skip_bytes += group.bytes.size();
    return;
  }
  if (group.bytes.size() + kGroupHeadBytesMax > room_) return EmitCut(group.view);
  const auto cost_now = [&group] {
    return group.bytes.size() + (group.is_in_part ? group.skip_bytes : kGroupHeadBytesMax);
  };
  if (part_bytes_ + cost_now() > room_) FinishPart({});
  part_bytes_ += cost_now();
  if (!group.is_in_part) {
    group.is_in_part = true;
    const auto offset = static_cast<std::size_t>(group.bytes.data() - update_.data());
    group.run = {.offset_bytes = offset, .id = group.view.id};
    group.skips = 0;
    part_.push_back(static_cast<std::size_t>(&group - groups_.data()));
  }
  group.run.structs += 1 + group.skips;
  group.skips = 0;
  group.skip_bytes = 0;
}

// A struct that fits in no part: in parts of its own, each continuing the one before.
void Splitter::EmitCut(const StructView& view) {
  const std::size_t head_bytes =
      kGroupHeadBytesMax + kItemHeadBytesMax + view.parent_root.size() + view.parent_sub.size();
  if (view.content != ContentKind::kString || view.has_parent_sub ||
      head_bytes + kCodePointBytesMax > room_) {
    result_.refused = {.reason = kStructTooLarge};
    return;
  }
  FinishPart({});
  StructView piece = view;
  std::string_view rest = view.payload;
  while (!rest.empty()) {
    piece.payload = rest.substr(0, std::min(rest.size(), room_ - head_bytes));
    while (piece.payload.size() < rest.size() && IsContinuationByte(rest[piece.payload.size()])) {
      piece.payload.remove_suffix(1);
    }
    piece.length = Utf16Length(piece.payload);
    rest.remove_prefix(piece.payload.size());
    StructWriter writer;
    writer.Count(piece.id);
    WriteItemHead(piece, writer.body());
    writer.body().VarBytes(piece.payload);
    result_.parts.push_back(writer.Finish({}));
    piece.id.clock += piece.length;
    piece.has_origin = true;
    piece.origin = {.client = view.id.client, .clock = piece.id.clock - 1};
    piece.parent = ParentKind::kNeighbour;
  }
  CHECK(piece.id.clock == view.id.clock + view.length);
}

// Writes what is in the part; nothing if that is nothing.
void Splitter::FinishPart(std::string_view deleted) {
  if (part_.empty() && deleted.empty()) return;
  std::sort(part_.begin(), part_.end(),
            [this](std::size_t a, std::size_t b) { return groups_[a].client > groups_[b].client; });
  StructWriter writer;
  for (const std::size_t index : part_) {
    Group& group = groups_[index];
    UpdateReader reader(update_, group.run);
    StructSpan span;
    while (reader.NextSpan(span)) writer.Write(Piece(span));
    CHECK(reader.ok());
    group.is_in_part = false;
    group.run = {};
  }
  static const std::string kNothing = DeleteSet().Encode();
  result_.parts.push_back(writer.FinishWith(deleted.empty() ? kNothing : deleted));
  CHECK(result_.parts.back().size() <= size_max_);
  part_.clear();
  part_bytes_ = 0;
}

// Deletions of what may be in any part: behind all of them, the first ones with the last part.
void Splitter::EmitDeleted(const DeleteSet& deleted) {
  DeleteSet piece;
  std::size_t bytes = part_bytes_ + kVarUintBytesMax;
  const auto finish = [&] {
    FinishPart(piece.empty() ? std::string() : piece.Encode());
    piece = {};
    bytes = kVarUintBytesMax;
  };
  for (const auto& [client, ranges] : deleted.clients()) {
    // Whether the client has ranges in the piece already.
    bool is_in_piece = false;
    for (const ClockRange& range : ranges) {
      const std::size_t cost = 2 * kVarUintBytesMax + (is_in_piece ? 0 : 2 * kVarUintBytesMax);
      if (bytes + cost > room_) {
        finish();
        is_in_piece = false;
      }
      bytes += 2 * kVarUintBytesMax + (is_in_piece ? 0 : 2 * kVarUintBytesMax);
      piece.Add(client, range);
      is_in_piece = true;
    }
  }
  finish();
}

SplitResult Splitter::Run() {
  if (!Open()) return std::move(result_);
  EmitAll();
  if (result_.refused) return {.refused = result_.refused};
  Lib0Reader reader(update_.substr(deleted_begin_));
  const DeleteSet deleted = DeleteSet::Decode(reader);
  CHECK(reader.ok());
  EmitDeleted(deleted);
  if (result_.parts.empty()) result_.parts.emplace_back(kEmptyUpdate);  // It was all skips.
  return std::move(result_);
}

}  // namespace

SplitResult SplitUpdate(std::string_view update, std::size_t size_max) {
  CHECK(size_max >= kSplitBytesMin);
  if (update.size() > size_max) return Splitter(update, size_max).Run();
  if (const Malformed malformed = ValidateUpdate(update)) return {.refused = malformed};
  return {.parts = {std::string(update)}};
}

}  // namespace coterie::crdt
