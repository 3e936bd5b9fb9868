// Changing a document's text: the whole of it (Write, Restore) or parts (Edit, Append).

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// How many pairs of a splice and a change one Edit may be transformed over.
constexpr std::uint64_t kTransformPairsMax = 1'000'000;
// And how many bytes of changes: they are read and measured while all others wait.
constexpr std::uint64_t kTransformBytesMax = 64 << 20;

Outcome TooLong() {
  return Refusal(Code::kExhausted,
                 "The document would be longer than 64 MiB (kTextBytesMax); start another one.");
}

Outcome BaseNotKept() {
  return Refusal(Code::kOutOfRange,
                 "The edit's base revision is too old, or not there yet; read the document and "
                 "edit again.");
}

}  // namespace

Outcome Machine::Impl::Apply(const Write& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseWrite(*document, command.token)) return *refused;
  return ReplaceText(*document, ChangeKind::kWrite, command.text);
}

Outcome Machine::Impl::Apply(const Restore& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseWrite(*document, command.token)) return *refused;
  const std::optional<std::uint64_t> ordinal = OrdinalAt(*document, command.version);
  const std::optional<VersionRecord> version =
      ordinal ? VersionAt(document->id, *ordinal) : std::nullopt;
  if (!version || version->revision != command.version) {
    return Refusal(Code::kOutOfRange,
                   "The document has no such version, or it is no longer kept; list its versions.");
  }
  const std::optional<std::string> text = TextOfVersion(*document, *ordinal);
  if (!text) return {};  // The Kv is broken; nothing counts any more.
  return ReplaceText(*document, ChangeKind::kRestore, *text);
}

Outcome Machine::Impl::ReplaceText(Document& document, ChangeKind kind, std::string_view text) {
  CHECK(text.size() <= kTextBytesMax);
  const Text* current = TextOf(document);
  if (current == nullptr) return {};
  std::vector<Change> changes;
  if (std::optional<Change> change = DiffTexts(*current, text)) {
    changes.push_back(std::move(*change));
  }
  ChangeText(document, kind, std::move(changes));
  return {};
}

Outcome Machine::Impl::Apply(const Append& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  if (command.text.size() > kTextBytesMax - document->head.size.bytes) return TooLong();
  if (command.text.empty()) return {};
  ChangeText(*document, ChangeKind::kEdit,
             {Change{.position = document->head.size, .inserted = command.text}});
  return {};
}

Outcome Machine::Impl::Apply(const Edit& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  std::vector<Splice> splices = command.splices;
  if (std::optional<Outcome> refused = TransformToNow(*document, command, splices)) {
    return *refused;
  }
  const Text* text = TextOf(*document);
  if (text == nullptr) return {};

  std::vector<Change> changes;
  TextSize inserted;  // By the changes so far, and deleted by them: positions move along.
  TextSize deleted;
  for (Splice& splice : splices) {
    if (splice.deleted == 0 && splice.inserted.empty()) continue;
    const std::optional<TextSize> begin = text->Locate(splice.position, command.unit);
    const std::optional<TextSize> end =
        text->Locate(splice.position + splice.deleted, command.unit);
    if (!begin || !end) {
      return Refusal(Code::kInvalidArgument,
                     "A position is in the middle of a character (a UTF-16 surrogate pair); move "
                     "it to the character's beginning or end.");
    }
    Change change{.position = *begin + inserted - deleted,
                  .deleted = text->Slice(begin->bytes, end->bytes - begin->bytes),
                  .inserted = std::move(splice.inserted)};
    inserted += MeasureUtf8(change.inserted);
    deleted += *end - *begin;
    changes.push_back(std::move(change));
  }
  if ((text->size() + inserted - deleted).bytes > kTextBytesMax) return TooLong();
  ChangeText(*document, ChangeKind::kEdit, std::move(changes));
  return {};
}

// Checks the splices against the text at the command's base, and moves them over what changed
// since.
std::optional<Outcome> Machine::Impl::TransformToNow(const Document& document, const Edit& command,
                                                     std::vector<Splice>& splices) {
  std::uint64_t ordinal = document.head.ordinal;
  TextSize base_size = document.head.size;
  if (!command.base.IsNone() && command.base < document.head.revision) {
    const std::optional<std::uint64_t> found = OrdinalAt(document, command.base);
    if (!found) return BaseNotKept();
    ordinal = *found;
    const std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version) return Outcome();
    base_size = version->size;
  }
  if (command.base >= entry_.revision) return BaseNotKept();
  if (!splices.empty()) {
    const Splice& last = splices.back();  // They ascend: RefuseMalformed() has seen to that.
    if (last.position + last.deleted > base_size.In(command.unit)) {
      return Refusal(Code::kOutOfRange,
                     "A splice reaches past the end of the text at the edit's base revision; read "
                     "the document and edit again.");
    }
  }
  std::uint64_t pairs = 0;
  std::uint64_t bytes = 0;
  for (++ordinal; ordinal <= document.head.ordinal; ++ordinal) {
    std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version) return Outcome();
    bytes += version->inserted_bytes + version->deleted_bytes;
    if (bytes > kTransformBytesMax) return BaseNotKept();
    if (!LoadLargeChanges(document.id, ordinal, *version)) return Outcome();
    for (const Change& change : version->changes) {
      pairs += splices.size();
      if (pairs > kTransformPairsMax) return BaseNotKept();
      TransformSplices(change, command.unit, splices);
    }
  }
  return std::nullopt;
}

void Machine::Impl::ChangeText(Document& document, ChangeKind kind, std::vector<Change> changes) {
  if (changes.empty()) return;
  Text* text = TextOf(document);
  if (text == nullptr) return;
  VersionRecord version{.kind = kind};
  const Revision previous = document.head.revision;
  for (const Change& change : changes) {
    text->Apply(change);
    texts_bytes_ += change.inserted.size();
    texts_bytes_ -= change.deleted.size();
    version.inserted_bytes += change.inserted.size();
    version.deleted_bytes += change.deleted.size();
  }
  version.size = text->size();
  CHECK(version.size.bytes <= kTextBytesMax);
  version.changes = std::move(changes);
  DocumentChanged event{.doc = document.id, .kind = kind, .previous = previous};
  event.changes.reserve(version.changes.size());
  StoreVersion(document, version);
  for (Change& change : version.changes) {
    event.changes.push_back({.position_bytes = change.position.bytes,
                             .deleted = std::move(change.deleted),
                             .inserted = std::move(change.inserted)});
  }
  Emit(std::move(event));
  MaybeRebase(document);
  PruneVersions(document);
  StoreTextHead(document);
}

}  // namespace coterie::state
