// Suggestions: changes of a text that somebody would make, kept until an editor accepts or rejects
// them. Each is anchored at the letters that it is about, so that it moves with them.

#include <algorithm>
#include <iterator>
#include <set>

#include "base/check.h"
#include "crdt/text_diff.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

Key KeyOf(DocId doc, const SuggestionId& id) { return Key('g', doc, id.batch, id.ordinal); }

// The suggested changes as splices to be transformed. Each carries its number for a text, by which
// it is known again: one that something was typed into falls in two, and is no suggestion any more.
std::vector<Splice> NumberedSplices(const std::vector<SuggestedChange>& changes) {
  std::vector<Splice> splices;
  for (const SuggestedChange& change : changes) {
    splices.push_back({.position = change.position,
                       .deleted = Utf16Length(change.before),
                       .inserted = std::to_string(splices.size())});
  }
  return splices;
}

// Whether `before` stands exactly there, with nothing in between that is no letter.
bool Fits(const Content& content, const TextSize& begin, const TextSize& end,
          std::string_view before) {
  if (end.bytes < begin.bytes || end.utf16 < begin.utf16) return false;
  if (end.bytes - begin.bytes != before.size()) return false;
  if (end.utf16 - begin.utf16 != Utf16Length(before)) return false;
  return content.Slice(begin.bytes, before.size()) == before;
}

}  // namespace

Outcome Machine::Impl::Apply(const AddSuggestions& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (document->suggestions.size() + command.changes.size() > kOpenSuggestionsMax) {
    return Refusal(Code::kExhausted,
                   "The document would have more than 1000 open suggestions "
                   "(kOpenSuggestionsMax); accept or reject some first.");
  }
  std::vector<Splice> splices = NumberedSplices(command.changes);
  const Edit edit{.doc = command.doc, .base = command.base, .splices = splices};
  if (std::optional<Outcome> refused = TransformToNow(*document, edit, splices)) return *refused;
  const Content* content = ContentOf(*document);
  if (content == nullptr) return {};

  std::vector<SuggestionRecord> records;
  for (const Splice& splice : splices) {
    if (splice.inserted.empty()) continue;  // The second half of one that fell in two.
    const SuggestedChange& change = command.changes[std::stoul(splice.inserted)];
    const std::optional<TextSize> begin = content->Locate(splice.position, PositionUnit::kUtf16);
    const std::optional<TextSize> end =
        content->Locate(splice.position + splice.deleted, PositionUnit::kUtf16);
    if (!begin || !end || !Fits(*content, *begin, *end, change.before)) continue;
    using enum Content::Follows;
    // What is typed at the edges stays outside; a mere insertion stays behind what it follows.
    const bool is_insertion = change.before.empty();
    records.push_back({.kind = command.kind,
                       .user = entry_.user,
                       .author = command.author,
                       .model = command.model,
                       .created_at_ms = meta_.time_ms,
                       .begin = content->AnchorAt(*begin, is_insertion ? kLeft : kRight),
                       .end = content->AnchorAt(*end, kLeft),
                       .before = change.before,
                       .after = change.after,
                       .why = change.why});
  }
  if (records.empty()) {
    return Refusal(Code::kStaleSuggestion,
                   "The text has changed where the suggestions were meant; ask again.");
  }
  SuggestionId id{.batch = entry_.revision};
  for (const SuggestionRecord& record : records) {
    ++id.ordinal;
    Put(KeyOf(document->id, id).view(), codec::EncodeRecord(record));
    document->suggestions.insert(id);
  }
  Emit(SuggestionsAdded{.doc = document->id,
                        .kind = command.kind,
                        .author = command.author,
                        .model = command.model,
                        .count = records.size()});
  return {};
}

// Null also when what is stored makes no sense.
std::optional<SuggestionRecord> Machine::Impl::SuggestionAt(DocId doc,
                                                            const SuggestionId& id) const {
  const std::optional<std::string> value = kv_.Get(KeyOf(doc, id).view());
  std::optional<SuggestionRecord> record;
  if (value) record = codec::DecodeRecord<SuggestionRecord>(*value);
  if (record && record->after.size() <= kSuggestedBytesMax && IsValidUtf8(record->after) &&
      IsValidUtf8(record->before)) {
    return record;
  }
  Break("a stored suggestion is missing or does not decode");
  return std::nullopt;
}

std::optional<Machine::Impl::OpenSuggestion> Machine::Impl::FindSuggestion(
    const Document& document, const SuggestionId& id) const {
  const Content* content = ContentOf(document);
  std::optional<SuggestionRecord> record = SuggestionAt(document.id, id);
  if (content == nullptr || !record) return std::nullopt;
  OpenSuggestion open{.id = id, .record = std::move(*record)};
  const std::optional<TextSize> begin = content->Resolve(open.record.begin);
  const std::optional<TextSize> end =
      open.record.before.empty() ? begin : content->Resolve(open.record.end);
  // An editor may have made something else of the text, which is not edited by position.
  if (content->IsText(crdt::Embeds::kIgnored) && begin && end &&
      Fits(*content, *begin, *end, open.record.before)) {
    open.range = Range{.begin = *begin, .end = *end};
  }
  return open;
}

Outcome Machine::Impl::Apply(const ResolveSuggestions& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  std::vector<SuggestionId> ids;
  for (auto at = document->suggestions.lower_bound({.batch = command.batch});
       at != document->suggestions.end() && at->batch == command.batch; ++at) {
    if (command.ordinal == 0 || command.ordinal == at->ordinal) ids.push_back(*at);
  }
  if (ids.empty()) {
    return Refusal(Code::kNotFound,
                   "There is no such open suggestion; somebody may have resolved it already.");
  }
  if (command.resolution == Resolution::kRejected) {
    for (const SuggestionId& id : ids) Resolve(*document, id, Resolution::kRejected);
    return {};
  }
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  std::vector<OpenSuggestion> wanted;
  for (const SuggestionId& id : ids) {
    std::optional<OpenSuggestion> open = FindSuggestion(*document, id);
    if (!open) return {};  // The Kv is broken; nothing counts any more.
    wanted.push_back(std::move(*open));
  }
  return Accept(*document, std::move(wanted));
}

// One change of the text for all of them, so that they are one version.
Outcome Machine::Impl::Accept(Document& document, std::vector<OpenSuggestion> wanted) {
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const OpenSuggestion& a, const OpenSuggestion& b) {
                     const std::uint64_t first = a.range ? a.range->begin.bytes : 0;
                     return first < (b.range ? b.range->begin.bytes : 0);
                   });
  std::vector<crdt::TextChange> changes;
  TextSize inserted;  // By the changes so far, and deleted by them: positions move along.
  TextSize deleted;
  std::uint64_t end_bytes = 0;  // Of the last one that is accepted.
  std::uint64_t stale = 0;
  std::string assistant;  // Of one batch, and so the same for all.
  for (OpenSuggestion& open : wanted) {
    // Two that others' deletions have brought together cannot both be right.
    if (open.range && open.range->begin.bytes < end_bytes) open.range.reset();
    if (!open.range) {
      ++stale;
      continue;
    }
    end_bytes = open.range->end.bytes;
    assistant = open.record.author;
    const TextSize shifted = open.range->begin + inserted - deleted;
    for (crdt::TextChange& change : crdt::DiffTexts(open.record.before, open.record.after)) {
      inserted += MeasureUtf8(change.inserted);
      deleted += MeasureUtf8(change.deleted);
      change.position += shifted;
      changes.push_back(std::move(change));
    }
  }
  if ((document.head.size + inserted - deleted).bytes > kTextBytesMax) {
    return Refusal(Code::kExhausted,
                   "The document would be longer than 64 MiB (kTextBytesMax); start another one.");
  }
  if (!changes.empty()) {
    const Content* content = ContentOf(document);
    if (content == nullptr) return {};
    if (auto refused = RefusePositions(*content)) return *refused;
  }
  for (const OpenSuggestion& open : wanted) {
    Resolve(document, open.id, open.range ? Resolution::kAccepted : Resolution::kStale);
  }
  if (!changes.empty()) ChangeText(document, ChangeKind::kEdit, changes, std::move(assistant));
  if (stale == 0) return {};
  return Refusal(Code::kStaleSuggestion,
                 std::to_string(stale) + " of " + std::to_string(wanted.size()) +
                     " suggestions no longer fitted the text and are gone; the others are done. "
                     "Ask again for what is there now.");
}

void Machine::Impl::Resolve(Document& document, const SuggestionId& id, Resolution resolution) {
  CHECK(document.suggestions.erase(id) == 1);
  Delete(KeyOf(document.id, id).view());
  Emit(SuggestionResolved{
      .doc = document.id, .batch = id.batch, .ordinal = id.ordinal, .resolution = resolution});
}

void Machine::Impl::DropSuggestions(Document& document) {
  for (const SuggestionId& id : document.suggestions) Delete(KeyOf(document.id, id).view());
  document.suggestions.clear();
}

std::size_t Machine::Impl::OpenSuggestionCount(DocId doc, Revision batch) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return 0;
  const std::set<SuggestionId>& all = document->suggestions;
  if (batch.IsNone()) return all.size();
  const auto first = all.lower_bound({.batch = batch});
  const auto is_other = [batch](const SuggestionId& id) { return id.batch != batch; };
  return static_cast<std::size_t>(std::distance(first, std::find_if(first, all.end(), is_other)));
}

std::vector<SuggestionView> Machine::Impl::Suggestions(DocId doc) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return {};
  std::vector<SuggestionView> views;
  for (const SuggestionId& id : document->suggestions) {
    std::optional<OpenSuggestion> open = FindSuggestion(*document, id);
    if (!open) return views;
    SuggestionView view{.batch = id.batch,
                        .ordinal = id.ordinal,
                        .kind = open->record.kind,
                        .user = std::move(open->record.user),
                        .author = std::move(open->record.author),
                        .model = std::move(open->record.model),
                        .created_at_ms = open->record.created_at_ms,
                        .begin_anchor = std::move(open->record.begin),
                        .end_anchor = std::move(open->record.end),
                        .before = std::move(open->record.before),
                        .after = std::move(open->record.after),
                        .why = std::move(open->record.why)};
    if (open->range) view.range = {open->range->begin.utf16, open->range->end.utf16};
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace coterie::state
