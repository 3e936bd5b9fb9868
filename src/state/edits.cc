// Changing a document's content: the whole of it (Write, Restore) or parts (Edit, Append,
// ApplyUpdate).

#include <algorithm>

#include "base/check.h"
#include "crdt/text_diff.h"
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

// Of a text command where an editor has put something else.
Outcome NoPlainText() {
  return Refusal(Code::kInvalidArgument,
                 "The document holds no plain text but what a rich editor wrote; change it there, "
                 "or import an update.");
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
  const std::optional<Content> earlier = LoadContent(*document, *ordinal);
  Content* content = ContentOf(*document);
  if (!earlier || content == nullptr) return {};  // The Kv is broken; nothing counts any more.
  return Changed(*document, ChangeKind::kRestore, content->BecomeLike(*earlier));
}

Outcome Machine::Impl::Apply(const ApplyUpdate& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  Outcome outcome = MergeUpdate(*document, command.update);
  if (outcome.ok()) MaybeSettleDraft(*document);
  return outcome;
}

Outcome Machine::Impl::MergeUpdate(Document& document, std::string_view update) {
  const ContentHead& head = document.head;
  const std::uint64_t last_bytes = head.checkpoints.empty() ? 0 : head.checkpoints.back().bytes;
  if (last_bytes + head.tail_cost + update.size() > kContentBytesMax ||
      head.history_bytes > 2 * kHistoryBytesMax) {
    return Refusal(Code::kExhausted,
                   "The document's content would be larger than 64 MiB (kContentBytesMax); start "
                   "another one.");
  }
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  Content::Effect effect;
  if (const crdt::Malformed malformed = content->Apply(update, effect)) {
    return Refusal(Code::kInvalidArgument, "The update cannot be applied, at byte " +
                                               std::to_string(malformed.offset_bytes) + ": " +
                                               std::string(malformed.reason) + ".");
  }
  return Changed(document, ChangeKind::kEdit, std::move(effect));
}

Outcome Machine::Impl::ReplaceText(Document& document, ChangeKind kind, std::string_view text) {
  CHECK(text.size() <= kTextBytesMax);
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  if (!content->is_text()) return NoPlainText();
  return ChangeText(document, kind, crdt::DiffTexts(content->ToString(), text));
}

Outcome Machine::Impl::Apply(const Append& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  const Content* content = ContentOf(*document);
  if (content == nullptr) return {};
  if (!content->is_text()) return NoPlainText();
  if (command.text.size() > kTextBytesMax - document->head.size.bytes) return TooLong();
  if (command.text.empty()) return {};
  return ChangeText(*document, ChangeKind::kEdit,
                    {{.position = document->head.size, .inserted = command.text}});
}

Outcome Machine::Impl::Apply(const Edit& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  std::vector<Splice> splices = command.splices;
  if (std::optional<Outcome> refused = TransformToNow(*document, command, splices)) {
    return *refused;
  }
  const Content* text = ContentOf(*document);
  if (text == nullptr) return {};
  if (!text->is_text()) return NoPlainText();

  std::vector<crdt::TextChange> changes;
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
    crdt::TextChange change{.position = *begin + inserted - deleted,
                            .deleted = text->Slice(begin->bytes, end->bytes - begin->bytes),
                            .inserted = std::move(splice.inserted)};
    inserted += MeasureUtf8(change.inserted);
    deleted += MeasureUtf8(change.deleted);  // Embeds in between stay.
    changes.push_back(std::move(change));
  }
  if ((text->size() + inserted - deleted).bytes > kTextBytesMax) return TooLong();
  return ChangeText(*document, ChangeKind::kEdit, std::move(changes));
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
    const std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version) return Outcome();
    bytes += version->delta_bytes;
    if (bytes > kTransformBytesMax) return BaseNotKept();
    const std::optional<VersionDelta> delta = DeltaOf(document.id, ordinal, *version);
    if (!delta) return Outcome();
    for (const Shift& shift : delta->shifts) {
      pairs += splices.size();
      if (pairs > kTransformPairsMax) return BaseNotKept();
      TransformSplices(shift, command.unit, splices);
    }
  }
  return std::nullopt;
}

Outcome Machine::Impl::ChangeText(Document& document, ChangeKind kind,
                                  const std::vector<crdt::TextChange>& changes) {
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  return Changed(document, kind, content->Change(changes));
}

Outcome Machine::Impl::Changed(Document& document, ChangeKind kind, Content::Effect effect) {
  if (effect.update.empty() && effect.stored.empty()) return {};
  const Content* content = ContentOf(document);
  if (content == nullptr) return {};
  document.head.root = content->root();
  VersionRecord version{.kind = kind, .size = content->size()};
  CHECK(version.size.bytes <= kTextBytesMax);
  VersionDelta delta{.update = std::move(effect.stored)};
  DocumentChanged event{.doc = document.id,
                        .kind = kind,
                        .previous = document.head.revision,
                        .update = std::move(effect.update)};
  for (crdt::TextChange& change : effect.changes) {
    version.inserted_bytes += change.inserted.size();
    version.deleted_bytes += change.deleted.size();
    delta.shifts.push_back(ShiftOf(change));
    event.changes.push_back({.position_bytes = change.position.bytes,
                             .deleted = std::move(change.deleted),
                             .inserted = std::move(change.inserted)});
  }
  StoreVersion(document, std::move(version), delta);
  Emit(std::move(event));
  return {};
}

}  // namespace coterie::state
