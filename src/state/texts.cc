// How a text is stored: a base text as of some version, the changes of the versions after it, and
// in memory the current text of the documents that were used of late. An edit writes its own
// change; the base is written anew when the changes since cost as much to keep and replay as the
// text itself, so that each edited byte pays for a constant number of written ones. The same
// records are the version history: an earlier text is the current one with the later changes
// undone.

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// What a version record costs beside its bytes: a lookup when the text is loaded.
constexpr std::uint64_t kCostPerVersion = 256;
// A tail up to this is kept even if the text is shorter.
constexpr std::uint64_t kTailCostFloor = 32 << 10;
// Above this the changes of a version lie apart, so that a list of versions does not read them.
constexpr std::uint64_t kLargeChangesBytes = 4 << 10;
// At most so many records are deleted per command, so that no single one takes long.
constexpr std::uint64_t kPrunedPerChangeMax = 4;
constexpr std::uint64_t kSweptPerEntryMax = 16;

std::uint64_t PiecesOf(std::uint64_t base_bytes) {
  return (base_bytes + kBasePieceBytes - 1) / kBasePieceBytes;
}

}  // namespace

// --- Reading ---

Text* Machine::Impl::TextOf(const Document& document) const {
  auto found = texts_.find(document.id);
  if (found == texts_.end()) {
    std::optional<Text> text = LoadText(document);
    if (!text) return nullptr;
    text_uses_.push_front(document.id);
    texts_bytes_ += text->size().bytes;
    found = texts_.emplace(document.id, CachedText{std::move(*text), text_uses_.begin()}).first;
  } else {
    text_uses_.splice(text_uses_.begin(), text_uses_, found->second.use);
  }
  TrimTextCache(document.id);
  return &found->second.text;
}

void Machine::Impl::TrimTextCache(DocId keep) const {
  while (texts_bytes_ > options_.text_cache_bytes_max && text_uses_.back() != keep) {
    const auto oldest = texts_.find(text_uses_.back());
    texts_bytes_ -= oldest->second.text.size().bytes;
    texts_.erase(oldest);
    text_uses_.pop_back();
  }
}

std::optional<Text> Machine::Impl::LoadText(const Document& document) const {
  std::string base;
  const std::uint64_t pieces = PiecesOf(document.head.base_bytes);
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    const std::optional<std::string> value = kv_.Get(Key('b', document.id, piece).view());
    if (!value) {
      Break("a piece of a stored text is missing");
      return std::nullopt;
    }
    base += *value;
  }
  if (base.size() != document.head.base_bytes || !IsValidUtf8(base)) {
    Break("a stored text is damaged");
    return std::nullopt;
  }
  Text text(base);
  for (std::uint64_t ordinal = document.head.base_ordinal + 1; ordinal <= document.head.ordinal;
       ++ordinal) {
    std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version || !LoadLargeChanges(document.id, ordinal, *version)) return std::nullopt;
    for (const Change& change : version->changes) {
      if (!text.Accepts(change)) {
        Break("a stored change does not fit the text before it");
        return std::nullopt;
      }
      text.Apply(change);
    }
  }
  if (text.size() != document.head.size) {
    Break("a stored text is not as long as its document says");
    return std::nullopt;
  }
  return text;
}

std::optional<VersionRecord> Machine::Impl::VersionAt(DocId doc, std::uint64_t ordinal) const {
  const std::optional<std::string> value = kv_.Get(Key('v', doc, ordinal).view());
  std::optional<VersionRecord> version;
  if (value) version = codec::DecodeRecord<VersionRecord>(*value);
  if (!version) Break("a stored version is missing or does not decode");
  return version;
}

bool Machine::Impl::LoadLargeChanges(DocId doc, std::uint64_t ordinal,
                                     VersionRecord& version) const {
  if (!version.is_large) return true;
  const std::optional<std::string> value = kv_.Get(Key('w', doc, ordinal).view());
  std::optional<LargeChanges> large;
  if (value) large = codec::DecodeRecord<LargeChanges>(*value);
  if (!large) {
    Break("a stored version's changes are missing or do not decode");
    return false;
  }
  version.changes = std::move(large->changes);
  return true;
}

std::uint64_t Machine::Impl::OldestVisibleOrdinal(const TextHead& head) const {
  return head.ordinal < kVersionsPerDocumentMax ? 1 : head.ordinal - kVersionsPerDocumentMax + 1;
}

std::optional<std::uint64_t> Machine::Impl::OrdinalAt(const Document& document,
                                                      Revision revision) const {
  // The newest ordinal in [first, last] whose revision is at most `revision`.
  std::uint64_t first = OldestVisibleOrdinal(document.head);
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

std::optional<std::string> Machine::Impl::TextOfVersion(const Document& document,
                                                        std::uint64_t ordinal) const {
  const Text* current = TextOf(document);
  if (current == nullptr) return std::nullopt;
  if (ordinal == document.head.ordinal) return current->ToString();
  Text text = *current;
  for (std::uint64_t undone = document.head.ordinal; undone > ordinal; --undone) {
    std::optional<VersionRecord> version = VersionAt(document.id, undone);
    if (!version || !LoadLargeChanges(document.id, undone, *version)) return std::nullopt;
    for (auto change = version->changes.rbegin(); change != version->changes.rend(); ++change) {
      if (!text.AcceptsUndone(*change)) {
        Break("a stored change does not fit the text after it");
        return std::nullopt;
      }
      text.Revert(*change);
    }
  }
  return text.ToString();
}

std::optional<std::string> Machine::Impl::TextAt(DocId doc, Revision revision) const {
  const auto found = documents_.find(doc);
  if (found == documents_.end()) return std::nullopt;
  const Document& document = found->second;
  if (revision.IsNone()) return TextOfVersion(document, document.head.ordinal);
  if (revision > applied_.index) return std::nullopt;
  const std::optional<std::uint64_t> ordinal = OrdinalAt(document, revision);
  if (!ordinal) return std::nullopt;
  return TextOfVersion(document, *ordinal);
}

std::vector<VersionView> Machine::Impl::Versions(DocId doc) const {
  const auto found = documents_.find(doc);
  if (found == documents_.end()) return {};
  const TextHead& head = found->second.head;
  std::vector<VersionView> views;
  for (std::uint64_t ordinal = head.ordinal; ordinal >= OldestVisibleOrdinal(head); --ordinal) {
    std::optional<VersionRecord> version = VersionAt(doc, ordinal);
    if (!version) return views;
    views.push_back({.revision = version->revision,
                     .author = std::move(version->author),
                     .time_ms = version->time_ms,
                     .kind = version->kind,
                     .inserted_bytes = version->inserted_bytes,
                     .deleted_bytes = version->deleted_bytes});
  }
  return views;
}

// --- Writing ---

// Makes `version` the document's newest; its revision, author, time and place are filled in here.
void Machine::Impl::StoreVersion(Document& document, VersionRecord& version) {
  TextHead& head = document.head;
  head.revision = entry_.revision;
  head.author = entry_.user;
  head.changed_at_ms = meta_.time_ms;
  head.size = version.size;
  ++head.ordinal;
  version.revision = head.revision;
  version.author = head.author;
  version.time_ms = head.changed_at_ms;
  const std::uint64_t changed_bytes = version.inserted_bytes + version.deleted_bytes;
  version.is_large = changed_bytes > kLargeChangesBytes;
  LargeChanges large;
  if (version.is_large) {
    large.changes.swap(version.changes);
    Put(Key('w', document.id, head.ordinal).view(), codec::EncodeRecord(large));
  }
  const std::string encoded = codec::EncodeRecord(version);
  if (version.is_large) large.changes.swap(version.changes);
  Put(Key('v', document.id, head.ordinal).view(), encoded);
  head.tail_cost += encoded.size() + (version.is_large ? changed_bytes : 0) + kCostPerVersion;
}

void Machine::Impl::StoreTextHead(const Document& document) {
  Put(Key('h', document.id).view(), codec::EncodeRecord(document.head));
}

void Machine::Impl::MaybeRebase(Document& document) {
  TextHead& head = document.head;
  if (head.tail_cost <= std::max(head.size.bytes, kTailCostFloor)) return;
  const Text* text = TextOf(document);
  if (text == nullptr) return;
  const std::uint64_t pieces_before = PiecesOf(head.base_bytes);
  head.base_ordinal = head.ordinal;
  head.base_bytes = head.size.bytes;
  head.tail_cost = 0;
  const std::uint64_t pieces = PiecesOf(head.base_bytes);
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    const std::uint64_t begin = piece * kBasePieceBytes;
    Put(Key('b', document.id, piece).view(),
        text->Slice(begin, std::min<std::uint64_t>(kBasePieceBytes, head.base_bytes - begin)));
  }
  for (std::uint64_t piece = pieces; piece < pieces_before; ++piece) {
    Delete(Key('b', document.id, piece).view());
  }
}

// Drops a few versions that are neither shown nor needed to load the text.
void Machine::Impl::PruneVersions(Document& document) {
  TextHead& head = document.head;
  const std::uint64_t kept_from = std::min(OldestVisibleOrdinal(head), head.base_ordinal + 1);
  for (std::uint64_t pruned = 0; pruned < kPrunedPerChangeMax && head.oldest_ordinal < kept_from;
       ++pruned) {
    const std::optional<VersionRecord> version = VersionAt(document.id, head.oldest_ordinal);
    if (!version) return;
    if (version->is_large) Delete(Key('w', document.id, head.oldest_ordinal).view());
    Delete(Key('v', document.id, head.oldest_ordinal).view());
    ++head.oldest_ordinal;
  }
}

// The records of a deleted document's text go a few at a time: see SweepDeletedTexts().
void Machine::Impl::DropText(Document& document) {
  const auto cached = texts_.find(document.id);
  if (cached != texts_.end()) {
    texts_bytes_ -= cached->second.text.size().bytes;
    text_uses_.erase(cached->second.use);
    texts_.erase(cached);
  }
  deleted_texts_[document.id] = document.head;
}

void Machine::Impl::SweepDeletedTexts() {
  if (deleted_texts_.empty()) return;
  const DocId id = deleted_texts_.begin()->first;
  TextHead& head = deleted_texts_.begin()->second;
  for (std::uint64_t swept = 0; swept < kSweptPerEntryMax; ++swept) {
    if (head.base_bytes > 0) {
      const std::uint64_t piece = PiecesOf(head.base_bytes) - 1;
      Delete(Key('b', id, piece).view());
      head.base_bytes = piece * kBasePieceBytes;
    } else if (head.oldest_ordinal <= head.ordinal) {
      Delete(Key('w', id, head.oldest_ordinal).view());
      Delete(Key('v', id, head.oldest_ordinal).view());
      ++head.oldest_ordinal;
    } else {
      Delete(Key('h', id).view());
      deleted_texts_.erase(id);
      return;
    }
  }
  Put(Key('h', id).view(), codec::EncodeRecord(head));
}

}  // namespace coterie::state
