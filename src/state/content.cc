#include "state/content.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "crdt/doc_position.h"
#include "crdt/markdown.h"
#include "crdt/rehearsal.h"
#include "crdt/relative_position.h"
#include "crdt/restore.h"
#include "crdt/text.h"
#include "crdt/text_diff.h"
#include "crdt/transaction.h"
#include "crdt/update_reader.h"
#include "crdt/view_budget.h"
#include "state/change.h"

namespace coterie::state {
namespace {

// Shown in the place of what would be very much larger than the document is.
constexpr std::string_view kTooLargeToRead =
    "(This document cannot be shown as Markdown: its formatting or its tables would come to many "
    "times what it holds. Export it instead.)";

// From this clock on another client id goes on: a text that is written anew every day would use up
// the clocks of one. The rest is far more than one command can need.
constexpr crdt::Clock kWriterClockMax = crdt::Clock{1} << 31;

// What all searches for places may go over together, from an empty content or a checkpoint on: so
// loading it costs no more. About 50 ns each.
constexpr std::uint64_t kScannedItemsMax = std::uint64_t{1} << 23;
// What an update may go over that comes when that is used up; and what is not worth a closer look,
// which is far less, so that no two nodes come to judge one update by different limits. Programs
// must agree on these, and on what is counted, as long as they stamp the same level (command.h).
constexpr std::uint64_t kScannedPerUpdateMin = std::uint64_t{1} << 18;
constexpr std::uint64_t kScannedShortly = std::uint64_t{1} << 14;

// To find out that there are no letters yet is done whenever something changes, so it is bounded:
// who has more than that, in XML, or more roots, has found the main one.
constexpr std::uint64_t kUnitsWithoutLettersMax = std::uint64_t{1} << 14;
constexpr std::size_t kRootsWithoutLettersMax = 1'000;

std::uint64_t ScannedMax(Content::Searches searches, std::uint64_t before) {
  switch (searches) {
    case Content::Searches::kUnbounded:
      break;
    case Content::Searches::kShort:
      return before + kScannedShortly;
    case Content::Searches::kBounded:
      return std::max(kScannedItemsMax, before + kScannedPerUpdateMin);
  }
  return std::numeric_limits<std::uint64_t>::max();
}

// The machine applies commands one after the other and the same ones everywhere, so that a document
// needs one writer for all of its edits, at a time. Editors draw 32 bits at random; so does this,
// in effect.
constexpr std::uint64_t kTurnStep = 0x9e37'79b2;
constexpr std::uint64_t kClientMask = 0xffff'ffff;

std::uint64_t FirstOf(DocId doc, std::uint64_t seed) {
  const std::uint64_t mixed =
      (doc.value() + 1) * 0x9e37'79b9'7f4a'7c15 + seed * 0xd6e8'feb8'6659'fd93;
  return mixed >> 32;
}

crdt::Client WriterOf(std::uint64_t first, std::uint64_t turn) {
  return crdt::Client(((first ^ (turn * kTurnStep)) & kClientMask) | 1);
}

// The inverse, modulo 2^32, of an odd number: Newton's iteration, which doubles the bits.
constexpr std::uint64_t InverseOf(std::uint64_t odd) {
  std::uint64_t inverse = odd;
  for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
  return inverse & kClientMask;
}

// Whose turn it is when this client writes; kTurnsMax or more if it never is.
std::uint64_t TurnOf(std::uint64_t first, crdt::Client client) {
  const std::uint64_t client_bits = client.value();
  if (client_bits > kClientMask || (client_bits & 1) == 0) return Content::kTurnsMax;
  return ((client_bits ^ first) >> 1) * InverseOf(kTurnStep / 2) & (kClientMask >> 1);
}

}  // namespace

Content::Content(DocId doc, std::string root, std::uint64_t writer_seed)
    : first_writer_(FirstOf(doc, writer_seed)), doc_({.garbage = crdt::Garbage::kCollect}) {
  if (root == kUnnamedRoot) {
    root_.emplace();
  } else if (!root.empty()) {
    root_ = std::move(root);
  }
}

std::string Content::root() const {
  if (!root_) return {};
  return root_->empty() ? std::string(kUnnamedRoot) : *root_;
}

bool Content::Load(std::string_view update) {
  ForgetGuess();
  return update.empty() || !doc_.Apply(update);
}

bool Content::LoadBounded(std::string_view update) {
  ForgetGuess();
  crdt::Outcome outcome;
  is_spoilt_ =
      !update.empty() && doc_.ApplyWithin(kScannedItemsMax, update, crdt::Watch::kNothing, outcome);
  return !is_spoilt_;
}

std::uint64_t Content::WritersTurn() const {
  std::uint64_t turn = 0;
  while (turn < kTurnsMax && doc_.ClockOf(WriterOf(first_writer_, turn)) > kWriterClockMax) ++turn;
  return turn;
}

crdt::Client Content::Writer() const {
  const std::uint64_t turn = WritersTurn();
  CHECK(turn < kTurnsMax);
  return WriterOf(first_writer_, turn);
}

// Whether it is of a writer, and not written yet.
bool Content::IsAhead(crdt::Client client, crdt::Clock end) const {
  return TurnOf(first_writer_, client) < kTurnsMax && end > doc_.ClockOf(client);
}

// No editor may write as one that writes for the machine, does so now or will. Nor may anything
// wait for what they have not written: it would come with an edit of the machine's for who loads
// that edit, and not for who makes it.
crdt::Malformed Content::RefuseWriters(std::string_view update) const {
  constexpr crdt::Malformed kSpeaks = {.reason =
                                           "it writes as the server's client; reload the document"};
  constexpr crdt::Malformed kIsAhead = {
      .reason = "it builds on what the server has not written; reload the document"};
  crdt::UpdateReader reader(update);
  crdt::StructView view;
  while (reader.Next(view)) {
    if (TurnOf(first_writer_, view.id.client) < kTurnsMax) return kSpeaks;
    const bool is_ahead =
        (view.has_origin && IsAhead(view.origin.client, view.origin.clock + 1)) ||
        (view.has_right_origin && IsAhead(view.right_origin.client, view.right_origin.clock + 1)) ||
        (view.parent == crdt::ParentKind::kItem &&
         IsAhead(view.parent_item.client, view.parent_item.clock + 1));
    if (is_ahead) return kIsAhead;
  }
  const crdt::DeleteSet deleted = crdt::DeleteSet::Decode(reader.rest());
  for (const auto& [client, ranges] : deleted.clients()) {
    if (IsAhead(client, ranges.back().end)) return kIsAhead;
  }
  return {};
}

crdt::Malformed Content::FindNews(std::string_view update, std::string& news) const {
  crdt::Malformed malformed;
  news = doc_.WithoutKnown(update, malformed);
  if (malformed || news.empty()) return malformed;
  return RefuseWriters(news);
}

crdt::Malformed Content::Apply(std::string_view update, crdt::Embeds embeds, Searches searches,
                               Effect& effect) {
  std::string news;
  const crdt::Malformed refused = FindNews(update, news);
  if (refused || news.empty()) return refused;
  return ApplyNews(std::move(news), embeds, searches, effect);
}

crdt::Malformed Content::ApplyNews(std::string news, crdt::Embeds embeds, Searches searches,
                                   Effect& effect) {
  CHECK(!is_spoilt_);
  const Before before = LookBefore(embeds);
  crdt::Outcome outcome{.watched = {}, .embeds = embeds};
  if (before.type) outcome.watched = *before.type;
  const crdt::Malformed malformed =
      doc_.ApplyWithin(ScannedMax(searches, doc_.scanned_items()), news,
                       before.type ? crdt::Watch::kTextChanges : crdt::Watch::kUpdate, outcome);
  is_spoilt_ = malformed.reason == crdt::kTooManyConflicts;
  if (malformed) return malformed;
  TellChanges(before, outcome, effect);
  effect.stored = std::move(news);
  return {};
}

// Where there is nothing, and the main root is not decided, nothing is watched, whether a root is
// there or not: that depends on when the content was loaded.
Content::Before Content::LookBefore(crdt::Embeds embeds) const {
  Before before{.root = EditedRoot(), .type = {}, .size = size(), .is_text = IsText(embeds)};
  if (root_ || before.size != TextSize()) before.type = doc_.Root(before.root);
  return before;
}

// What a transaction did to the text, after which that may be in another root.
void Content::TellChanges(const Before& before, crdt::Outcome& outcome, Effect& effect) {
  effect.update = std::move(outcome.update);
  ForgetGuess();
  if (!effect.update.empty()) MaybeChooseRoot();
  if (!before.is_text || !IsText(outcome.embeds)) return;
  if (before.type && EditedRoot() == before.root) {
    effect.changes = std::move(outcome.text_changes);
    return;
  }
  if (size() == before.size && size() == TextSize()) return;
  CHECK(before.size.bytes == 0);  // Or it would have been the main root.
  effect.changes = {{.position = {}, .deleted = "", .inserted = ToString()}};
  if (outcome.embeds == crdt::Embeds::kIgnored) return;
  crdt::TextChange& change = effect.changes[0];
  change.embeds_deleted = before.size.utf16;
  change.embeds_inserted = size().code_points - MeasureUtf8(change.inserted).code_points;
}

bool Content::WouldWait(std::string_view update, std::uint64_t bytes_max) const {
  const std::uint64_t pending = doc_.pending_bytes();
  // No byte of an update can make more than this wait: a deleted range takes two at least.
  constexpr std::uint64_t kWaitingPerByteMax = crdt::kBytesPerWaitingRange / 2;
  if (pending + kWaitingPerByteMax * update.size() <= bytes_max) return false;
  const std::uint64_t more = doc_.BytesThatWouldWait(update);
  return more > 0 && pending + more > bytes_max;
}

// Those with letters of their own come before those with letters in XML, then the names decide.
void Content::MaybeChooseRoot() {
  if (root_) return;
  std::vector<std::string> names = doc_.filled_root_names();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (crdt::Text(doc_, doc_.Root(name)).size().bytes == 0) continue;
    root_ = name;
    return;
  }
  std::uint64_t units_left = kUnitsWithoutLettersMax;
  for (const std::string& name : names) {
    const crdt::Text text(doc_, doc_.Root(name));
    if (!text.IsXml()) continue;
    const std::optional<bool> has_letters = text.HasLetters(units_left);
    if (has_letters && !*has_letters) continue;
    root_ = name;
    return;
  }
  // To look at all of them whenever something changes would cost too much.
  if (names.size() > kRootsWithoutLettersMax) root_ = GuessRoot().edited;
}

// Requires that it is not decided yet. A function of what is there, not of how it came to be.
Content::Guess Content::GuessRoot() const {
  std::vector<std::string> names = doc_.filled_root_names();
  std::sort(names.begin(), names.end());
  const auto find = [&](const auto& is_wanted) {
    return std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return is_wanted(crdt::Text(doc_, doc_.Root(name)));
    });
  };
  auto found = find([](const crdt::Text& text) { return text.IsText(); });
  if (found == names.end()) found = find([](const crdt::Text& text) { return text.IsXml(); });
  if (found != names.end()) return {.edited = *found, .shown = *found};
  // Values alone, which are no text and hinder none.
  return {.edited = std::string(kTextRoot),
          .shown = names.empty() ? std::string(kTextRoot) : names.front()};
}

const std::string& Content::EditedRoot() const {
  if (root_) return *root_;
  if (!guess_) guess_ = GuessRoot();
  return guess_->edited;
}

const std::string& Content::ShownRoot() const {
  if (root_) return *root_;
  if (!guess_) guess_ = GuessRoot();
  return guess_->shown;
}

Content::Effect Content::Change(const std::vector<crdt::TextChange>& changes) {
  CHECK(IsText(crdt::Embeds::kTold));
  if (changes.empty()) return {};
  if (!root_) root_ = EditedRoot();  // Something will be there now, and the head will say so.
  TextSize expected = size();
  crdt::Text text(doc_, doc_.Root(*root_));
  crdt::Transaction transaction(doc_, Writer());
  for (const crdt::TextChange& change : changes) {
    const Shift shift = ShiftOf(change);
    text.DeleteAll(transaction, change.position.utf16, shift.deleted.utf16);
    if (!change.inserted.empty()) {
      text.Insert(transaction, change.position.utf16, change.inserted);
    }
    expected -= shift.deleted;
    expected += shift.inserted;
  }
  Effect effect{.update = transaction.Commit().update, .changes = changes};
  effect.stored = effect.update;
  CHECK(size() == expected);  // What the changes tell is what happened.
  return effect;
}

Content::Effect Content::ReplaceLetters(std::string_view letters) {
  return Change(PlaceBesideEmbeds(crdt::DiffTexts(ToString(), letters)));
}

// Changes of the letters, placed in the text with its embeds: a change that deletes letters on both
// sides of one becomes several.
std::vector<crdt::TextChange> Content::PlaceBesideEmbeds(
    std::vector<crdt::TextChange> changes) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  if (!root) return changes;
  const std::vector<crdt::Text::Embedded> embeds = crdt::Text(doc_, *root).Embeds();
  if (embeds.empty()) return changes;
  std::vector<crdt::TextChange> placed;
  TextSize passed;  // Embeds to the left.
  auto embed = embeds.begin();
  const auto pass = [&] {
    passed += {.bytes = 0, .utf16 = embed->units, .code_points = embed->units};
    ++embed;
  };
  std::uint64_t inserted_bytes = 0;  // By the changes so far, and deleted by them.
  std::uint64_t deleted_bytes = 0;
  for (crdt::TextChange& change : changes) {
    std::uint64_t at =
        change.position.bytes - inserted_bytes + deleted_bytes;  // Before all of them.
    while (embed != embeds.end() && embed->position_bytes <= at) pass();
    const TextSize behind = change.position + MeasureUtf8(change.inserted);
    inserted_bytes += change.inserted.size();
    deleted_bytes += change.deleted.size();
    placed.push_back(
        {.position = change.position + passed, .inserted = std::move(change.inserted)});
    std::string_view rest = change.deleted;
    while (embed != embeds.end() && embed->position_bytes < at + rest.size()) {
      const std::uint64_t letters = embed->position_bytes - at;
      placed.back().deleted = rest.substr(0, letters);
      rest.remove_prefix(letters);
      at += letters;
      pass();
      placed.push_back({.position = behind + passed});
    }
    placed.back().deleted = rest;
  }
  return placed;
}

Content::Effect Content::Change(const crdt::Delta& delta) {
  CHECK(IsText(crdt::Embeds::kTold));
  if (!root_) root_ = EditedRoot();
  crdt::Text text(doc_, doc_.Root(*root_));
  crdt::Outcome outcome{.watched = text.type(), .embeds = crdt::Embeds::kTold};
  crdt::Transaction transaction(doc_, Writer(), crdt::Watch::kTextChanges);
  text.ApplyDelta(transaction, delta);
  transaction.Commit(outcome);
  Effect effect{.update = std::move(outcome.update), .changes = std::move(outcome.text_changes)};
  effect.stored = effect.update;
  return effect;
}

Content::Effect Content::BecomeLike(const Content& other, crdt::Embeds embeds) {
  const Before before = LookBefore(embeds);
  crdt::Outcome outcome{.watched = {}, .embeds = embeds};
  if (before.type) outcome.watched = *before.type;
  std::vector<std::string> names = doc_.root_names();
  const std::vector<std::string> others = other.doc_.root_names();
  names.insert(names.end(), others.begin(), others.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  crdt::Transaction transaction(doc_, Writer(), crdt::Watch::kTextChanges);
  for (const std::string& name : names) {
    crdt::RestoreRoot(transaction, doc_, other.doc_, name);
  }
  transaction.Commit(outcome);
  Effect effect;
  TellChanges(before, outcome, effect);
  effect.stored = effect.update;
  return effect;
}

bool Content::IsTold(const Content& encoded) const {
  return encoded.doc_.state_vector() == doc_.state_vector() &&
         encoded.doc_.delete_set() == doc_.delete_set() && encoded.size() == size() &&
         encoded.ToString() == ToString() && encoded.Encode() == Encode();
}

bool Content::IsText(crdt::Embeds embeds) const {
  const TextSize content = size();
  if (content.utf16 == 0 || content.bytes > 0) return true;
  if (embeds == crdt::Embeds::kIgnored) return false;
  return crdt::Text(doc_, *EditedType()).IsText();
}

TextSize Content::size() const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  return root ? crdt::Text(doc_, *root).size() : TextSize();
}

std::string Content::ToString() const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  return root ? crdt::Text(doc_, *root).ToString() : std::string();
}

std::string Content::ToStringWithEmbeds() const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  if (!root) return {};
  const crdt::Text text(doc_, *root);
  const std::string letters = text.ToString();
  std::string all;
  std::size_t copied = 0;
  for (const crdt::Text::Embedded& embedded : text.Embeds()) {
    all.append(letters, copied, embedded.position_bytes - copied);
    copied = embedded.position_bytes;
    for (std::uint64_t i = 0; i < embedded.units; ++i) all += "\uFFFC";
  }
  return all.append(letters, copied);
}

bool Content::HasMoreAttributesThan(std::size_t count) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  return root && crdt::Text(doc_, *root).HasMoreAttributesThan(count);
}

Reading Content::Read(std::string_view root) const {
  const std::optional<crdt::TypeHandle> type = doc_.FindRoot(root.empty() ? ShownRoot() : root);
  if (!type) return {};
  const crdt::Text text(doc_, *type);
  if (text.IsText() || text.size().bytes > 0) return {.text = text.ToString()};
  crdt::ViewBudget budget;
  std::string markdown = crdt::ToMarkdown(doc_, *type, budget);
  if (budget.is_spent()) markdown = kTooLargeToRead;
  return {.text = std::move(markdown), .is_projection = true};
}

std::optional<TextSize> Content::Locate(std::uint64_t position, PositionUnit unit) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  if (root) return crdt::Text(doc_, *root).Locate(position, unit);
  return position == 0 ? std::optional(TextSize()) : std::nullopt;
}

std::string Content::Slice(std::uint64_t begin_bytes, std::uint64_t size_bytes) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  if (root) return crdt::Text(doc_, *root).Slice(begin_bytes, size_bytes);
  CHECK(begin_bytes == 0 && size_bytes == 0);
  return {};
}

std::string Content::AnchorAt(TextSize position, Follows follows) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  if (!root) return {};
  const std::optional<crdt::RelativePosition> anchor =
      crdt::ToRelativePosition(doc_, *root, position.utf16, follows == Follows::kRight ? 0 : -1);
  CHECK(anchor.has_value());
  return crdt::EncodeRelativePosition(*anchor);
}

std::optional<TextSize> Content::Resolve(std::string_view anchor) const {
  const std::optional<crdt::TypeHandle> root = EditedType();
  // Of a content that was empty: still its only place, if it is empty.
  if (anchor.empty()) return size() == TextSize() ? std::optional(TextSize()) : std::nullopt;
  crdt::RelativePosition position;
  if (!root || crdt::DecodeRelativePosition(anchor, position)) return std::nullopt;
  // Another root would be made by asking for it.
  if (position.root && *position.root != EditedRoot()) return std::nullopt;
  const std::optional<crdt::AbsolutePosition> place = crdt::ToAbsolutePosition(doc_, position);
  if (!place || place->type != *root) return std::nullopt;
  return Locate(place->index, PositionUnit::kUtf16);
}

}  // namespace coterie::state
