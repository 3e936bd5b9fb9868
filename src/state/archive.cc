// The history beyond the newest versions: what one writer changed at one sitting becomes one
// version, and all of these are kept. They are stored as versions are (contents.cc), in tables of
// their own: the updates of a sitting, merged and squashed, so that typing costs little more than
// the text; checkpoints of the whole, so that any of them is read in bounded time. All nodes write
// the same, since it is made of what is stored alone.

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "crdt/merge.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// A sitting ends when its writer pauses for so long, or has gone on for so long,
constexpr std::uint64_t kPauseMsMax = 2 * 60 * 1'000;
constexpr std::uint64_t kSittingMsMax = 10 * 60 * 1'000;
// or has changed so much.
constexpr std::uint64_t kSittingBytesMax = 16 << 10;
// So much at a time, so that no single change takes long.
constexpr std::uint64_t kArchivedBytesMax = 256 << 10;
constexpr std::uint64_t kDroppedPerChangeMax = 32;

bool IsOneSitting(const VersionRecord& before, const VersionRecord& next) {
  return before.author == next.author && before.assistant == next.assistant &&
         before.kind == next.kind && before.kind == ChangeKind::kEdit &&
         before.delta_bytes <= kSittingBytesMax && next.delta_bytes <= kSittingBytesMax &&
         next.time_ms >= before.time_ms && next.time_ms - before.time_ms <= kPauseMsMax &&
         next.time_ms - before.began_ms <= kSittingMsMax;
}

// The same effect, in as few structs as may be. Each is well-formed, as it was applied, or empty.
std::string Merged(const std::vector<std::string>& updates) {
  std::vector<std::string_view> views;
  for (const std::string& update : updates) {
    if (!update.empty()) views.push_back(update);
  }
  if (views.size() < 2) return views.empty() ? std::string() : std::string(views.front());
  std::string merged = crdt::MergeUpdates(views).update;
  CHECK(!merged.empty());
  std::string squashed = crdt::SquashUpdate(merged).update;
  return squashed.empty() || squashed.size() > merged.size() ? merged : squashed;
}

}  // namespace

// What of the archive is not written yet.
struct Machine::Impl::Sitting {
  VersionRecord version;  // delta_bytes: of its updates.
  std::vector<std::string> updates;
  std::uint64_t ordinal = 0;  // Where it is to be stored.
  bool is_stored = false;     // An earlier part of it.
};

std::optional<VersionRecord> Machine::Impl::ArchivedAt(DocId doc, std::uint64_t ordinal) const {
  const std::optional<std::string> value = kv_.Get(Key('y', doc, ordinal).view());
  std::optional<VersionRecord> version;
  if (value) version = codec::DecodeRecord<VersionRecord>(*value);
  if (!version) Break("an archived version is missing or does not decode");
  return version;
}

std::optional<std::string> Machine::Impl::ArchivedUpdate(DocId doc, std::uint64_t ordinal,
                                                         const VersionRecord& version) const {
  if (!version.is_large) return version.delta;
  std::optional<std::string> update = kv_.Get(Key('x', doc, ordinal).view());
  if (!update) Break("what an archived version changed is missing");
  return update;
}

std::uint64_t Machine::Impl::NewestArchivedBy(const Document& document, Revision revision) const {
  const Archive& archive = document.head.archive;
  std::uint64_t first = archive.visible_ordinal - 1;  // None of them.
  std::uint64_t last = archive.ordinal;
  while (first < last) {
    const std::uint64_t middle = first + (last - first + 1) / 2;
    const std::optional<VersionRecord> version = ArchivedAt(document.id, middle);
    if (!version) return 0;
    if (version->revision <= revision) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first < archive.visible_ordinal ? 0 : first;
}

std::optional<std::uint64_t> Machine::Impl::ArchivedOrdinalAt(const Document& document,
                                                              Revision revision) const {
  const std::uint64_t found = NewestArchivedBy(document, revision);
  if (found == 0) return std::nullopt;
  if (found == document.head.archive.ordinal) return found;
  // Nobody knows any more what was in the middle of a sitting.
  const std::optional<VersionRecord> next = ArchivedAt(document.id, found + 1);
  if (!next || next->first <= revision) return std::nullopt;
  return found;
}

std::optional<Content> Machine::Impl::LoadArchived(const Document& document,
                                                   std::uint64_t ordinal) const {
  const Checkpoint from = CheckpointFor(document.head.archive.checkpoints, ordinal);
  Content content(document.id, document.head.root, WriterSeedOf(document));
  if (from.ordinal > 0) {
    const std::optional<std::string> bytes = CheckpointBytes('k', document.id, from);
    if (!bytes) return std::nullopt;
    if (!content.Load(*bytes)) {
      Break("an archived content does not decode");
      return std::nullopt;
    }
  }
  for (std::uint64_t next = from.ordinal + 1; next <= ordinal; ++next) {
    const std::optional<VersionRecord> version = ArchivedAt(document.id, next);
    if (!version) return std::nullopt;
    const std::optional<std::string> update = ArchivedUpdate(document.id, next, *version);
    if (!update) return std::nullopt;
    if (!content.Load(*update)) {
      Break("an archived update does not decode");
      return std::nullopt;
    }
  }
  return content;
}

// The oldest versions that are shown become archived ones.
void Machine::Impl::ArchiveOldest(Document& document) {
  ContentHead& head = document.head;
  std::uint64_t bytes = 0;
  std::optional<Sitting> open;
  for (std::uint64_t taken = 0; taken < kArchivedPerChange && bytes < kArchivedBytesMax; ++taken) {
    if (head.visible_ordinal >= head.ordinal) break;
    std::optional<VersionRecord> version = VersionAt(document.id, head.visible_ordinal);
    if (!version) return;
    std::optional<VersionDelta> delta = DeltaOf(document.id, head.visible_ordinal, *version);
    if (!delta) return;
    bytes += version->delta_bytes;
    version->delta.clear();
    version->is_large = false;
    version->first = version->revision;
    version->began_ms = version->time_ms;
    version->delta_bytes = delta->update.size();
    if (!open) open = LastSitting(document);
    if (open && !MaybeJoin(*open, *version, delta->update)) {
      StoreSitting(document, *open);
      open.reset();
    }
    if (!open) {
      open = Sitting{.version = *std::move(version),
                     .updates = {std::move(delta->update)},
                     .ordinal = ++head.archive.ordinal};
    }
    ++head.visible_ordinal;
  }
  if (open) StoreSitting(document, *open);
  DropArchived(document);
}

// The newest archived one, which may go on; nothing if there is none.
std::optional<Machine::Impl::Sitting> Machine::Impl::LastSitting(const Document& document) const {
  const Archive& archive = document.head.archive;
  if (archive.ordinal < archive.visible_ordinal) return std::nullopt;
  std::optional<VersionRecord> version = ArchivedAt(document.id, archive.ordinal);
  if (!version) return std::nullopt;
  std::optional<std::string> update = ArchivedUpdate(document.id, archive.ordinal, *version);
  if (!update) return std::nullopt;
  version->delta.clear();
  return Sitting{.version = *std::move(version),
                 .updates = {*std::move(update)},
                 .ordinal = archive.ordinal,
                 .is_stored = true};
}

bool Machine::Impl::MaybeJoin(Sitting& sitting, const VersionRecord& next,
                              const std::string& update) {
  if (!IsOneSitting(sitting.version, next)) return false;
  sitting.updates.push_back(update);
  VersionRecord& version = sitting.version;
  version.revision = next.revision;
  version.time_ms = next.time_ms;
  version.size = next.size;
  version.inserted_bytes += next.inserted_bytes;
  version.deleted_bytes += next.deleted_bytes;
  version.delta_bytes += next.delta_bytes;
  return true;
}

void Machine::Impl::StoreSitting(Document& document, Sitting& sitting) {
  Archive& archive = document.head.archive;
  VersionRecord& version = sitting.version;
  if (sitting.is_stored && sitting.updates.size() == 1) return;  // Nothing came to it.
  std::string update = Merged(sitting.updates);
  const Key apart('x', document.id, sitting.ordinal);
  if (sitting.is_stored) {
    const std::uint64_t before = sitting.updates.front().size() + kCostPerVersion;
    if (archive.bytes < before || archive.tail_cost < before) {
      return Break("an archived version is larger than all of them");
    }
    archive.bytes -= before;
    archive.tail_cost -= before;
    if (version.is_large) Delete(apart.view());
  } else {
    MaybeCheckpointArchive(document, sitting.ordinal - 1);
  }
  version.delta_bytes = update.size();
  version.is_large = update.size() > kLargeDeltaBytes;
  archive.bytes += update.size() + kCostPerVersion;
  archive.tail_cost += update.size() + kCostPerVersion;
  if (version.is_large) {
    Put(apart.view(), update);
  } else {
    version.delta = std::move(update);
  }
  Put(Key('y', document.id, sitting.ordinal).view(), codec::EncodeRecord(version));
}

// As of an archived version to which nothing more can come. Tried when the updates since the last
// one cost as much as the content, and whenever that has doubled since.
void Machine::Impl::MaybeCheckpointArchive(Document& document, std::uint64_t ordinal) {
  Archive& archive = document.head.archive;
  if (archive.tail_cost < std::max(archive.checkpoint_due, kTailCostFloor)) return;
  const std::optional<Content> content = LoadArchived(document, ordinal);
  if (!content) return;
  const std::string bytes = content->Encode();
  Content copy(document.id, document.head.root, WriterSeedOf(document));
  if (!copy.LoadBounded(bytes) || !content->IsTold(copy)) {
    archive.checkpoint_due = 2 * archive.tail_cost;  // See MaybeCheckpoint().
    return;
  }
  archive.tail_cost = 0;
  archive.checkpoint_due = bytes.size();
  archive.checkpoints.push_back({.ordinal = ordinal, .bytes = bytes.size()});
  archive.bytes += bytes.size();
  PutCheckpoint('k', document.id, ordinal, bytes);
}

// Hides what is too old or too much, and drops some records that nothing visible needs.
void Machine::Impl::DropArchived(Document& document) {
  Archive& archive = document.head.archive;
  if (archive.ordinal >= archive.visible_ordinal + kArchivedVersionsMax) {
    archive.visible_ordinal = archive.ordinal - kArchivedVersionsMax + 1;
  }
  if (archive.bytes > kArchiveBytesMax && archive.oldest_ordinal >= archive.visible_ordinal) {
    const auto next = std::find_if(archive.checkpoints.begin(), archive.checkpoints.end(),
                                   [&archive](const Checkpoint& checkpoint) {
                                     return checkpoint.ordinal > archive.visible_ordinal;
                                   });
    if (next != archive.checkpoints.end()) archive.visible_ordinal = next->ordinal;
  }
  const Checkpoint base = CheckpointFor(archive.checkpoints, archive.visible_ordinal);
  while (!archive.checkpoints.empty() && archive.checkpoints.front().ordinal < base.ordinal) {
    DeleteCheckpoint('k', document.id, archive.checkpoints.front());
    archive.bytes -= archive.checkpoints.front().bytes;
    archive.checkpoints.erase(archive.checkpoints.begin());
  }
  // The record of the oldest visible one stays, which says who and when.
  const std::uint64_t kept_from = std::min(archive.visible_ordinal, base.ordinal + 1);
  for (std::uint64_t dropped = 0;
       dropped < kDroppedPerChangeMax && archive.oldest_ordinal < kept_from; ++dropped) {
    const std::optional<VersionRecord> version = ArchivedAt(document.id, archive.oldest_ordinal);
    if (!version) return;
    const std::uint64_t freed = version->delta_bytes + kCostPerVersion;
    if (freed > archive.bytes) return Break("an archived version is larger than all of them");
    archive.bytes -= freed;
    if (version->is_large) Delete(Key('x', document.id, archive.oldest_ordinal).view());
    Delete(Key('y', document.id, archive.oldest_ordinal).view());
    ++archive.oldest_ordinal;
  }
}

}  // namespace coterie::state
