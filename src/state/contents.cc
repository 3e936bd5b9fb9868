// How a content is stored: checkpoints of the whole as of some versions, the updates of the
// versions after them, and in memory the contents that were used of late. A change writes its own
// update; a checkpoint is written when the updates since the last one cost as much to keep and
// replay as the content itself, so that each edited byte pays for a constant number of written
// ones. The same records are the version history. What is written depends on the stored bytes
// alone, never on what a node happens to have in memory: all nodes write the same.
//
// And what a node has in memory is what it would load. That is no matter of course: Yjs's order of
// things depends on the order in which updates came, once an update says what no editor would say
// (an id used twice, neighbours that never were some). So the content in memory is made anew with
// every checkpoint, from the checkpoint, and what is stored of an update is what was applied.

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// At most so many records are deleted per command, so that no single one takes long.
constexpr std::uint64_t kPrunedPerChangeMax = 4;
constexpr std::uint64_t kSweptPerEntryMax = 16;

VersionView ToView(VersionRecord version) {
  return {.revision = version.revision,
          .author = std::move(version.author),
          .time_ms = version.time_ms,
          .kind = version.kind,
          .inserted_bytes = version.inserted_bytes,
          .deleted_bytes = version.deleted_bytes,
          .assistant = std::move(version.assistant)};
}

std::uint64_t PiecesOf(std::uint64_t checkpoint_bytes) {
  return (checkpoint_bytes + kBasePieceBytes - 1) / kBasePieceBytes;
}

// What the updates since the last checkpoint may cost before the next one is due.
std::uint64_t CheckpointCost(const ContentHead& head) {
  return std::max(head.checkpoints.empty() ? 0 : head.checkpoints.back().bytes, kTailCostFloor);
}

}  // namespace

// --- Reading ---

Content* Machine::Impl::ContentOf(const Document& document) const {
  auto found = contents_.find(document.id);
  if (found == contents_.end()) {
    std::optional<Content> content = LoadContent(document, document.head.ordinal);
    if (!content) return nullptr;
    if (content->size() != document.head.size) {
      Break("a stored text is not as long as its document says");
      return nullptr;
    }
    content_uses_.push_front(document.id);
    found = contents_.emplace(document.id, CachedContent{std::move(*content)}).first;
    found->second.use = content_uses_.begin();
  } else {
    content_uses_.splice(content_uses_.begin(), content_uses_, found->second.use);
  }
  NoteContentBytes(found->second);
  TrimContents(document.id);
  return &found->second.content;
}

void Machine::Impl::NoteContentBytes(CachedContent& cached) const {
  contents_bytes_ -= cached.bytes;
  cached.bytes = cached.content.memory_bytes();
  contents_bytes_ += cached.bytes;
}

void Machine::Impl::TrimContents(DocId keep) const {
  while (contents_bytes_ > options_.content_cache_bytes_max && content_uses_.back() != keep) {
    const auto oldest = contents_.find(content_uses_.back());
    contents_bytes_ -= oldest->second.bytes;
    contents_.erase(oldest);
    content_uses_.pop_back();
  }
}

void Machine::Impl::DropCached(DocId doc) const {
  const auto cached = contents_.find(doc);
  if (cached == contents_.end()) return;
  contents_bytes_ -= cached->second.bytes;
  content_uses_.erase(cached->second.use);
  contents_.erase(cached);
}

std::optional<std::string> Machine::Impl::CheckpointBytes(char table, DocId doc,
                                                          const Checkpoint& checkpoint) const {
  std::string bytes;
  for (std::uint64_t piece = 0; piece < PiecesOf(checkpoint.bytes); ++piece) {
    const std::optional<std::string> value =
        kv_.Get(Key(table, doc, checkpoint.ordinal, piece).view());
    if (!value) {
      Break("a piece of a stored content is missing");
      return std::nullopt;
    }
    bytes += *value;
  }
  if (bytes.size() == checkpoint.bytes) return bytes;
  Break("a stored content is damaged");
  return std::nullopt;
}

// No two documents have the same, and none has it again in a cluster that begins with a backup.
std::uint64_t Machine::Impl::WriterSeedOf(const Document& document) const {
  return writers_seed_ * 0x9e37'79b9'7f4a'7c15 + document.record.created_at_ms;
}

// Requires `ordinal` to be that of a version which is shown, or the newest.
std::optional<Content> Machine::Impl::LoadContent(const Document& document,
                                                  std::uint64_t ordinal) const {
  const Checkpoint checkpoint = CheckpointFor(document.head.checkpoints, ordinal);
  Content content(document.id, document.head.root, WriterSeedOf(document));
  if (checkpoint.ordinal > 0) {
    const std::optional<std::string> bytes = CheckpointBytes('b', document.id, checkpoint);
    if (!bytes) return std::nullopt;
    if (!content.Load(*bytes)) {
      Break("a stored content does not decode");
      return std::nullopt;
    }
  }
  for (std::uint64_t next = checkpoint.ordinal + 1; next <= ordinal; ++next) {
    const std::optional<VersionRecord> version = VersionAt(document.id, next);
    if (!version) return std::nullopt;
    const std::optional<VersionDelta> delta = DeltaOf(document.id, next, *version);
    if (!delta) return std::nullopt;
    if (!content.Load(delta->update)) {
      Break("a stored update does not decode");
      return std::nullopt;
    }
  }
  return content;
}

std::optional<VersionRecord> Machine::Impl::VersionAt(DocId doc, std::uint64_t ordinal) const {
  const std::optional<std::string> value = kv_.Get(Key('v', doc, ordinal).view());
  std::optional<VersionRecord> version;
  if (value) version = codec::DecodeRecord<VersionRecord>(*value);
  if (!version) Break("a stored version is missing or does not decode");
  return version;
}

std::optional<VersionDelta> Machine::Impl::DeltaOf(DocId doc, std::uint64_t ordinal,
                                                   const VersionRecord& version) const {
  std::optional<VersionDelta> delta;
  if (version.is_large) {
    const std::optional<std::string> value = kv_.Get(Key('w', doc, ordinal).view());
    if (value) delta = codec::DecodeRecord<VersionDelta>(*value);
  } else {
    delta = codec::DecodeRecord<VersionDelta>(version.delta);
  }
  if (!delta) Break("what a stored version changed is missing or does not decode");
  return delta;
}

std::optional<std::uint64_t> Machine::Impl::OrdinalAt(const Document& document,
                                                      Revision revision) const {
  // The newest ordinal in [first, last] whose revision is at most `revision`.
  std::uint64_t first = document.head.visible_ordinal;
  std::uint64_t last = document.head.ordinal;
  if (revision >= document.head.revision) return last;
  while (first < last) {
    const std::uint64_t middle = first + (last - first + 1) / 2;
    const std::optional<VersionRecord> version = VersionAt(document.id, middle);
    if (!version) return std::nullopt;
    if (version->revision <= revision) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  const std::optional<VersionRecord> version = VersionAt(document.id, first);
  if (!version || version->revision > revision) return std::nullopt;
  return first;
}

const Document* Machine::Impl::DocumentOf(DocId doc) const {
  const auto found = documents_.find(doc);
  return found == documents_.end() ? nullptr : &found->second;
}

template <class Answer>
auto Machine::Impl::AskContentAt(DocId doc, Revision revision, Answer answer) const
    -> std::optional<std::invoke_result_t<Answer, const Content&>> {
  const Document* document = DocumentOf(doc);
  if (document == nullptr || revision > applied_.index) return std::nullopt;
  std::optional<std::uint64_t> ordinal = document->head.ordinal;
  if (!revision.IsNone()) ordinal = OrdinalAt(*document, revision);
  if (ordinal == document->head.ordinal) {
    const Content* content = ContentOf(*document);
    if (content == nullptr) return std::nullopt;
    return answer(*content);
  }
  std::optional<Content> content;
  if (ordinal) {
    content = LoadContent(*document, *ordinal);
  } else if (const auto archived = ArchivedOrdinalAt(*document, revision)) {
    content = LoadArchived(*document, *archived);
  }
  if (!content) return std::nullopt;
  return answer(*content);
}

std::optional<std::string> Machine::Impl::TextAt(DocId doc, Revision revision) const {
  return AskContentAt(doc, revision, [](const Content& content) { return content.ToString(); });
}

std::optional<std::string> Machine::Impl::TextWithEmbeds(DocId doc) const {
  return AskContentAt(doc, Revision(),
                      [](const Content& content) { return content.ToStringWithEmbeds(); });
}

std::optional<Reading> Machine::Impl::ReadingAt(DocId doc, Revision revision,
                                                std::string_view root) const {
  return AskContentAt(doc, revision, [root](const Content& content) { return content.Read(root); });
}

std::optional<std::string> Machine::Impl::UpdateAt(DocId doc, Revision revision,
                                                   const crdt::StateVector& known) const {
  return AskContentAt(doc, revision,
                      [&known](const Content& content) { return content.EncodeFrom(known); });
}

std::vector<VersionView> Machine::Impl::Versions(DocId doc, Revision before,
                                                 std::size_t count_max) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return {};
  const Revision newest = before.IsNone() ? applied_.index : Revision(before.value() - 1);
  std::vector<VersionView> views;
  std::uint64_t ordinal = OrdinalAt(*document, newest).value_or(0);
  for (; ordinal >= document->head.visible_ordinal && views.size() < count_max; --ordinal) {
    std::optional<VersionRecord> version = VersionAt(doc, ordinal);
    if (!version) return views;
    views.push_back(ToView(*std::move(version)));
  }
  std::uint64_t archived = NewestArchivedBy(*document, newest);
  for (; archived >= document->head.archive.visible_ordinal && views.size() < count_max;
       --archived) {
    std::optional<VersionRecord> version = ArchivedAt(doc, archived);
    if (!version) return views;
    views.push_back(ToView(*std::move(version)));
  }
  return views;
}

// --- Writing ---

// Makes a change that the cached content has already undergone the document's newest version.
void Machine::Impl::StoreVersion(Document& document, VersionRecord version,
                                 const VersionDelta& delta) {
  ContentHead& head = document.head;
  documents_by_change_.erase({head.revision, document.id});
  documents_by_change_.emplace(entry_.revision, document.id);
  head.revision = entry_.revision;
  head.author = entry_.user;
  head.changed_at_ms = meta_.time_ms;
  head.size = version.size;
  ++head.ordinal;
  version.revision = head.revision;
  version.author = head.author;
  version.time_ms = head.changed_at_ms;
  std::string encoded_delta = codec::EncodeRecord(delta);
  version.delta_bytes = encoded_delta.size();
  version.is_large = encoded_delta.size() > kLargeDeltaBytes;
  const std::uint64_t cost_before = head.tail_cost;
  head.tail_cost += encoded_delta.size() + kCostPerVersion;
  head.history_bytes += encoded_delta.size() + kCostPerVersion;
  if (version.is_large) {
    Put(Key('w', document.id, head.ordinal).view(), encoded_delta);
  } else {
    version.delta = std::move(encoded_delta);
  }
  Put(Key('v', document.id, head.ordinal).view(), codec::EncodeRecord(version));
  MaybeCheckpoint(document, cost_before);
  PruneHistory(document);
  Put(Key('h', document.id).view(), codec::EncodeRecord(head));
}

// `cost_before`: what the tail cost before this version. Tried when it is as much as the content,
// and whenever it has doubled since.
void Machine::Impl::MaybeCheckpoint(Document& document, std::uint64_t cost_before) {
  ContentHead& head = document.head;
  std::uint64_t due = CheckpointCost(head);
  while (due < cost_before && due < std::uint64_t{1} << 62)
    due *= 2;  // A damaged head says anything.
  if (head.tail_cost <= due) return;
  // Not of the cached content: how its structs are cut depends on when it was loaded.
  const std::optional<Content> content = LoadContent(document, head.ordinal);
  if (!content) return;
  const std::string bytes = content->Encode();
  Content copy(document.id, head.root, WriterSeedOf(document));
  // An editor that uses an id twice can make a content that its own encoding does not tell whole.
  // Then the updates stay what counts, until RefuseUnstorable() ends it.
  // And updates can be made that cost little one by one and very much together.
  const bool is_bounded = entry_.level >= kLevelOfStamps;
  if (!(is_bounded ? copy.LoadBounded(bytes) : copy.Load(bytes)) || !content->IsTold(copy)) return;
  head.tail_cost = 0;
  const auto cached = contents_.find(document.id);
  if (cached != contents_.end()) {
    cached->second.content = std::move(copy);
    NoteContentBytes(cached->second);
  }
  head.checkpoints.push_back({.ordinal = head.ordinal, .bytes = bytes.size()});
  head.history_bytes += bytes.size();
  PutCheckpoint('b', document.id, head.ordinal, bytes);
}

void Machine::Impl::PutCheckpoint(char table, DocId doc, std::uint64_t ordinal,
                                  std::string_view bytes) {
  for (std::uint64_t piece = 0; piece < PiecesOf(bytes.size()); ++piece) {
    Put(Key(table, doc, ordinal, piece).view(),
        bytes.substr(piece * kBasePieceBytes, kBasePieceBytes));
  }
}

// Of a change to a content of which no checkpoint can be made: it must be replayed in full whenever
// it is loaded.
std::optional<Outcome> Machine::Impl::RefuseUnstorable(const Document& document) const {
  const ContentHead& head = document.head;
  if (head.tail_cost <= 2 * std::max<std::uint64_t>(CheckpointCost(head), kContentBytesMax)) {
    return std::nullopt;
  }
  return Refusal(Code::kExhausted,
                 "The document holds updates that contradict each other, and cannot be stored any "
                 "longer; export its text and start another one.");
}

void Machine::Impl::DeleteCheckpoint(char table, DocId doc, const Checkpoint& checkpoint) {
  for (std::uint64_t piece = 0; piece < PiecesOf(checkpoint.bytes); ++piece) {
    Delete(Key(table, doc, checkpoint.ordinal, piece).view());
  }
}

// Archives what is too old or too much, and drops a few records that nothing visible needs.
void Machine::Impl::PruneHistory(Document& document) {
  ContentHead& head = document.head;
  const bool are_many =
      head.ordinal >= head.visible_ordinal + options_.versions_kept_max + kArchivedPerChange - 1;
  if (are_many) ArchiveOldest(document);
  const std::uint64_t base = CheckpointFor(head.checkpoints, head.visible_ordinal).ordinal;
  while (!head.checkpoints.empty() && head.checkpoints.front().ordinal < base) {
    DeleteCheckpoint('b', document.id, head.checkpoints.front());
    head.history_bytes -= head.checkpoints.front().bytes;
    head.checkpoints.erase(head.checkpoints.begin());
  }
  const std::uint64_t kept_from = std::min(head.visible_ordinal, base + 1);
  for (std::uint64_t pruned = 0; pruned < kPrunedPerChangeMax && head.oldest_ordinal < kept_from;
       ++pruned) {
    const std::optional<VersionRecord> version = VersionAt(document.id, head.oldest_ordinal);
    if (!version) return;
    if (version->is_large) Delete(Key('w', document.id, head.oldest_ordinal).view());
    Delete(Key('v', document.id, head.oldest_ordinal).view());
    const std::uint64_t freed = version->delta_bytes + kCostPerVersion;
    if (freed > head.history_bytes) return Break("a stored version is larger than all of them");
    head.history_bytes -= freed;
    ++head.oldest_ordinal;
  }
  const bool is_all_dropped = head.oldest_ordinal >= kept_from;
  if (head.history_bytes > kHistoryBytesMax && is_all_dropped) ArchiveOldest(document);
}

// The records of a deleted document's content go a few at a time: see SweepDeletedContents().
void Machine::Impl::DropContent(Document& document) {
  DropCached(document.id);
  documents_by_change_.erase({document.head.revision, document.id});
  deleted_contents_[document.id] = document.head;
}

// A piece of one; false if there is none.
bool Machine::Impl::SweepCheckpoint(char table, DocId doc, std::vector<Checkpoint>& checkpoints) {
  if (checkpoints.empty()) return false;
  Checkpoint& last = checkpoints.back();
  if (last.bytes == 0) {
    checkpoints.pop_back();
    return true;
  }
  const std::uint64_t piece = PiecesOf(last.bytes) - 1;
  Delete(Key(table, doc, last.ordinal, piece).view());
  last.bytes = piece * kBasePieceBytes;
  return true;
}

bool Machine::Impl::SweepArchive(DocId doc, Archive& archive) {
  if (SweepCheckpoint('k', doc, archive.checkpoints)) return true;
  if (archive.oldest_ordinal > archive.ordinal) return false;
  Delete(Key('x', doc, archive.oldest_ordinal).view());
  Delete(Key('y', doc, archive.oldest_ordinal).view());
  ++archive.oldest_ordinal;
  return true;
}

void Machine::Impl::SweepDeletedContents() {
  if (deleted_contents_.empty()) return;
  const DocId id = deleted_contents_.begin()->first;
  ContentHead& head = deleted_contents_.begin()->second;
  for (std::uint64_t swept = 0; swept < kSweptPerEntryMax; ++swept) {
    if (SweepCheckpoint('b', id, head.checkpoints)) continue;
    if (head.oldest_ordinal <= head.ordinal) {
      Delete(Key('w', id, head.oldest_ordinal).view());
      Delete(Key('v', id, head.oldest_ordinal).view());
      ++head.oldest_ordinal;
    } else if (!SweepArchive(id, head.archive)) {
      Delete(Key('h', id).view());
      deleted_contents_.erase(id);
      return;
    }
  }
  Put(Key('h', id).view(), codec::EncodeRecord(head));
}

}  // namespace coterie::state
