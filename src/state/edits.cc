// Changing a document's content: the whole of it (Write, Restore) or parts (Edit, Append,
// ApplyUpdate).

#include <algorithm>

#include "base/check.h"
#include "crdt/js_value.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// How many pairs of a splice and a change one Edit may be transformed over.
constexpr std::uint64_t kTransformPairsMax = 1'000'000;
// And how many bytes of changes: they are read and measured while all others wait.
constexpr std::uint64_t kTransformBytesMax = 4 << 20;

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

Outcome WithinCharacter() {
  return Refusal(Code::kInvalidArgument,
                 "A position is in the middle of a character (a UTF-16 surrogate pair); move it to "
                 "the character's beginning or end.");
}

Outcome BaseNotKept() {
  return Refusal(Code::kOutOfRange,
                 "The edit's base revision is too old, or not there yet; read the document and "
                 "edit again.");
}

// JSON as Yjs writes it, so that equal values are equal bytes.
std::string NormalJson(std::string_view json) {
  std::string normal;
  return crdt::WriteJson(crdt::ParseJson(json), normal) ? normal : "null";
}

crdt::DeltaOp OpOf(const DeltaStep& step, std::uint64_t length) {
  crdt::DeltaOp op{.length = length, .text = {}, .type = {}, .attributes = {}};
  switch (step.kind) {
    case StepKind::kRetain:
      op.kind = crdt::DeltaOp::Kind::kRetain;
      break;
    case StepKind::kInsert:
      op.kind = crdt::DeltaOp::Kind::kText;
      op.text = step.text;
      break;
    case StepKind::kEmbed:
      op.kind = crdt::DeltaOp::Kind::kEmbed;
      op.text = NormalJson(step.text);
      break;
    case StepKind::kDelete:
      op.kind = crdt::DeltaOp::Kind::kDelete;
      break;
  }
  for (const auto& [name, json] : step.attributes)
    op.attributes.emplace_back(name, NormalJson(json));
  return op;
}

// A delta over the text as it is now, in UTF-16 units.
struct PlacedDelta {
  crdt::Delta delta;
  std::uint64_t inserted_bytes = 0;
  std::uint64_t deleted_bytes = 0;
  bool is_within_character = false;
};
PlacedDelta PlaceDelta(const Content& text, const EditDelta& command,
                       const std::vector<DeltaSpan>& spans) {
  PlacedDelta placed;
  std::uint64_t gone_over = 0;
  for (const DeltaSpan& span : spans) {
    const DeltaStep& step = command.steps[span.step];
    const bool goes_over = step.kind == StepKind::kRetain || step.kind == StepKind::kDelete;
    if (goes_over && span.length == 0) continue;  // Somebody deleted it.
    const std::optional<TextSize> begin = text.Locate(span.position, command.unit);
    const std::optional<TextSize> end = text.Locate(span.position + span.length, command.unit);
    if (!begin || !end) {
      placed.is_within_character = true;
      return placed;
    }
    CHECK(begin->utf16 >= gone_over);
    if (begin->utf16 > gone_over) {
      placed.delta.push_back({.kind = crdt::DeltaOp::Kind::kRetain,
                              .length = begin->utf16 - gone_over,
                              .text = {},
                              .type = {},
                              .attributes = {}});
    }
    placed.delta.push_back(OpOf(step, end->utf16 - begin->utf16));
    gone_over = end->utf16;
    if (step.kind == StepKind::kInsert) placed.inserted_bytes += step.text.size();
    if (step.kind == StepKind::kDelete) placed.deleted_bytes += end->bytes - begin->bytes;
  }
  return placed;
}

}  // namespace

// Of a command that changes the text by position.
std::optional<Outcome> Machine::Impl::RefusePositions(const Content& content) const {
  if (!content.HasWriter()) return WornOut();
  if (!content.IsText(embeds())) return NoPlainText();
  return std::nullopt;
}

Outcome Machine::Impl::WornOut() {
  return Refusal(Code::kExhausted,
                 "The text was written anew so often that its clocks are used up; export it and "
                 "start another document.");
}

Outcome Machine::Impl::TooMuchContent() {
  return Refusal(Code::kExhausted,
                 "The document's content would be larger than 64 MiB (kContentBytesMax); start "
                 "another one.");
}

Outcome Machine::Impl::TooMuchWaits() {
  return Refusal(Code::kExhausted,
                 "The update builds on others that the document does not have, and 4 MiB "
                 "(kPendingBytesMax) of such are waiting already; send what came before first, or "
                 "the whole state.");
}

Outcome Machine::Impl::NotApplied(const crdt::Malformed& malformed) {
  if (malformed.reason == crdt::kTooManyConflicts) {
    return Refusal(Code::kTooMuchWork,
                   "Too much of the update was written at places where others wrote at the same "
                   "time, or it formats a text with too many different attributes; send it in "
                   "smaller parts, or write it anew into the document as it is now.");
  }
  return Refusal(Code::kInvalidArgument, "The update cannot be applied, at byte " +
                                             std::to_string(malformed.offset_bytes) + ": " +
                                             std::string(malformed.reason) + ".");
}

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
  const std::optional<std::uint64_t> archived =
      ordinal ? std::nullopt : ArchivedOrdinalAt(*document, command.version);
  const std::optional<VersionRecord> version = ordinal    ? VersionAt(document->id, *ordinal)
                                               : archived ? ArchivedAt(document->id, *archived)
                                                          : std::nullopt;
  if (!version || version->revision != command.version) {
    return Refusal(Code::kOutOfRange,
                   "The document has no such version, or it is no longer kept; list its versions.");
  }
  const std::optional<Content> earlier =
      ordinal ? LoadContent(*document, *ordinal) : LoadArchived(*document, *archived);
  Content* content = ContentOf(*document);
  if (!earlier || content == nullptr) return {};  // The Kv is broken; nothing counts any more.
  if (!content->HasWriter()) return WornOut();
  return Changed(*document, ChangeKind::kRestore, content->BecomeLike(*earlier, embeds()));
}

Outcome Machine::Impl::Apply(const ApplyUpdate& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  Outcome outcome = MergeUpdate(*document, command.update);
  if (outcome.ok()) MaybeSettleDraft(*document);
  return outcome;
}

crdt::Malformed Machine::Impl::ApplyNews(const Document& document, const std::string& news,
                                         Content::Effect& effect) {
  using enum Content::Searches;
  const bool is_bounded = entry_.level >= kLevelOfStamps;
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  crdt::Malformed malformed =
      content->ApplyNews(news, embeds(), is_bounded ? kShort : kUnbounded, effect);
  if (!content->is_spoilt()) return malformed;
  DropCached(document.id);
  content = ContentOf(document);
  if (content == nullptr) return {};
  effect = {};
  malformed = content->ApplyNews(news, embeds(), kBounded, effect);
  if (content->is_spoilt()) DropCached(document.id);
  return malformed;
}

Outcome Machine::Impl::MergeUpdate(Document& document, std::string_view update) {
  if (!HasRoomFor(document, update.size())) return TooMuchContent();
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  const bool is_bounded = entry_.level >= kLevelOfStamps;
  if (is_bounded && content->WouldWait(update, kPendingBytesMax)) return TooMuchWaits();
  std::string news;
  Content::Effect effect;
  if (const crdt::Malformed malformed = content->FindNews(update, news)) {
    return NotApplied(malformed);
  }
  if (news.empty()) return Changed(document, ChangeKind::kEdit, {});
  if (const crdt::Malformed malformed = ApplyNews(document, news, effect)) {
    return NotApplied(malformed);
  }
  return Changed(document, ChangeKind::kEdit, std::move(effect));
}

bool Machine::Impl::HasRoomFor(const Document& document, std::uint64_t bytes) const {
  const ContentHead& head = document.head;
  const std::uint64_t last_bytes = head.checkpoints.empty() ? 0 : head.checkpoints.back().bytes;
  return last_bytes + head.tail_cost + bytes <= kContentBytesMax &&
         head.history_bytes <= 2 * kHistoryBytesMax;
}

Outcome Machine::Impl::ReplaceText(Document& document, ChangeKind kind, std::string_view text) {
  CHECK(text.size() <= kTextBytesMax);
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  if (auto refused = RefusePositions(*content)) return *refused;
  return Changed(document, kind, content->ReplaceLetters(text));
}

Outcome Machine::Impl::Apply(const Append& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  const Content* content = ContentOf(*document);
  if (content == nullptr) return {};
  if (auto refused = RefusePositions(*content)) return *refused;
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
  if (auto refused = RefusePositions(*text)) return *refused;

  std::vector<crdt::TextChange> changes;
  TextSize inserted;  // By the changes so far, and deleted by them: positions move along.
  TextSize deleted;
  for (Splice& splice : splices) {
    if (splice.deleted == 0 && splice.inserted.empty()) continue;
    const std::optional<TextSize> begin = text->Locate(splice.position, command.unit);
    const std::optional<TextSize> end =
        text->Locate(splice.position + splice.deleted, command.unit);
    if (!begin || !end) return WithinCharacter();
    crdt::TextChange change{.position = *begin + inserted - deleted,
                            .deleted = text->Slice(begin->bytes, end->bytes - begin->bytes),
                            .inserted = std::move(splice.inserted)};
    const TextSize gone = *end - *begin;
    change.embeds_deleted = gone.utf16 - Utf16Length(change.deleted);
    inserted += MeasureUtf8(change.inserted);
    deleted += gone;
    changes.push_back(std::move(change));
  }
  if ((text->size() + inserted - deleted).bytes > kTextBytesMax) return TooLong();
  return ChangeText(*document, ChangeKind::kEdit, std::move(changes));
}

std::optional<Outcome> Machine::Impl::TransformToNow(const Document& document, const Edit& command,
                                                     std::vector<Splice>& splices) const {
  const Base base{.revision = command.base, .unit = command.unit};
  // They ascend: RefuseMalformed() has seen to that.
  const std::uint64_t end = splices.empty() ? 0 : splices.back().position + splices.back().deleted;
  const auto move = [&](const Shift& shift) {
    TransformSplices(shift, command.unit, splices);
    return splices.size();
  };
  return FollowChanges(document, base, end, splices.size(), move);
}

Outcome Machine::Impl::Apply(const EditDelta& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  std::uint64_t end = 0;  // Of all that it goes over.
  std::uint64_t bytes = 0;
  for (const DeltaStep& step : command.steps) {
    end += step.length;
    bytes += step.text.size();
    for (const auto& [name, json] : step.attributes) bytes += name.size() + json.size();
  }
  if (!HasRoomFor(*document, bytes)) return TooMuchContent();
  std::vector<DeltaSpan> spans = SpansOf(command.steps);
  const Base base{.revision = command.base, .unit = command.unit};
  const auto move = [&](const Shift& shift) {
    TransformSpans(shift, command.unit, command.steps, spans);
    return spans.size();
  };
  if (auto refused = FollowChanges(*document, base, end, spans.size(), move)) return *refused;
  Content* content = ContentOf(*document);
  if (content == nullptr) return {};
  if (auto refused = RefusePositions(*content)) return *refused;
  // Around a piece with attributes of its own, all that are in force end and begin again.
  if (content->HasMoreAttributesThan(kMarksWrittenMax / std::max<std::size_t>(spans.size(), 1))) {
    return Refusal(Code::kExhausted,
                   "The text has so many attributes that a delta of so many steps would write more "
                   "than 262144 marks (kMarksWrittenMax); send fewer steps at once.");
  }
  PlacedDelta placed = PlaceDelta(*content, command, spans);
  if (placed.is_within_character) return WithinCharacter();
  if (placed.delta.empty()) return {};
  if (content->size().bytes + placed.inserted_bytes - placed.deleted_bytes > kTextBytesMax) {
    return TooLong();
  }
  return Changed(*document, ChangeKind::kEdit, content->Change(placed.delta));
}

// Checks that the text at the base reached to `end`, and calls `move` with all that changed since.
// `pieces` is how many pieces that moves, and what it returns.
std::optional<Outcome> Machine::Impl::FollowChanges(
    const Document& document, const Base& base, std::uint64_t end, std::size_t pieces,
    const std::function<std::size_t(const Shift&)>& move) const {
  std::uint64_t ordinal = document.head.ordinal;
  TextSize base_size = document.head.size;
  if (!base.revision.IsNone() && base.revision < document.head.revision) {
    const std::optional<std::uint64_t> found = OrdinalAt(document, base.revision);
    if (!found) return BaseNotKept();
    ordinal = *found;
    const std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version) return Outcome();
    base_size = version->size;
  }
  if (base.revision >= entry_.revision) return BaseNotKept();
  if (end > base_size.In(base.unit)) {
    return Refusal(Code::kOutOfRange,
                   "The edit reaches past the end of the text at its base revision; read the "
                   "document and edit again.");
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
      pairs += pieces;
      if (pairs > kTransformPairsMax) return BaseNotKept();
      pieces = move(shift);
    }
  }
  return std::nullopt;
}

Outcome Machine::Impl::ChangeText(Document& document, ChangeKind kind,
                                  const std::vector<crdt::TextChange>& changes,
                                  std::string assistant) {
  Content* content = ContentOf(document);
  if (content == nullptr) return {};
  return Changed(document, kind, content->Change(changes), std::move(assistant));
}

Outcome Machine::Impl::Changed(Document& document, ChangeKind kind, Content::Effect effect,
                               std::string assistant) {
  if (effect.update.empty() && effect.stored.empty()) return {};
  const Content* content = ContentOf(document);
  if (content == nullptr) return {};
  document.head.root = content->root();
  VersionRecord version{.kind = kind, .size = content->size(), .assistant = std::move(assistant)};
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
    if (change.inserted.empty() && change.deleted.empty()) continue;  // Embeds alone.
    event.changes.push_back({.position_bytes = change.position.bytes,
                             .deleted = std::move(change.deleted),
                             .inserted = std::move(change.inserted)});
  }
  StoreVersion(document, std::move(version), delta);
  Emit(std::move(event));
  return {};
}

}  // namespace coterie::state
