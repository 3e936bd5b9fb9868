#pragma once

// What subscribers see. Every applied command yields at most one EventBatch: all its events under
// its revision, delivered whole or not at all, so that "resume after revision R" has no gap. Stored
// with the state until retention drops it. Pure values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::state {

struct UserCreated {
  std::string name;
};
struct UserRemoved {
  std::string name;
};
struct Joined {
  SessionId session;
};
struct Left {
  SessionId session;
  LeaveReason reason = LeaveReason::kDetached;
};
struct DocumentCreated {
  DocId doc;
  std::string name;
};
struct DocumentRenamed {
  DocId doc;
  std::string name;
};
struct DocumentDeleted {
  DocId doc;
  std::string name;
};
struct DocumentShared {
  DocId doc;
  std::string user;  // Empty = everyone.
  DocumentRole role = DocumentRole::kNone;
};
// Bytes of UTF-8: `deleted` at byte `position` made way for `inserted`. Applied in order, each in
// the text that the one before left.
struct TextChange {
  std::uint64_t position_bytes = 0;
  std::string deleted;
  std::string inserted;
};
enum class ChangeKind : std::uint8_t { kWrite, kEdit, kRestore };
// `changes` are those of the text that people see (state/content.h); none when the content is no
// plain text, or something beside the text changed.
struct DocumentChanged {
  DocId doc;
  ChangeKind kind = ChangeKind::kEdit;
  Revision previous;  // The document's revision before this one.
  std::vector<TextChange> changes;
  std::string update;  // The same as a Yjs update (V1), for who has the content as of `previous`.
};
struct DocumentLocked {
  LockView lock;
  bool renewed = false;
};
enum class UnlockReason : std::uint8_t { kReleased, kExpired, kBroken, kHolderLeft, kDeleted };
struct DocumentUnlocked {
  DocId doc;
  FencingToken token;
  std::string holder;
  UnlockReason reason = UnlockReason::kReleased;
};

// `count` of them, with ordinals from 1; the batch is the event's own revision.
struct SuggestionsAdded {
  DocId doc;
  SuggestionKind kind = SuggestionKind::kGrammar;
  std::string author;
  std::string model;
  std::uint64_t count = 0;
};
struct SuggestionResolved {
  DocId doc;
  Revision batch;
  std::uint64_t ordinal = 0;
  Resolution resolution = Resolution::kAccepted;
};

// Whose drafts they are is in `user`; who did it, in the event. Seen by that user and the
// document's owners alone.
struct DraftSaved {
  DocId doc;
  std::string user;
  std::uint64_t size_bytes = 0;  // Of the whole draft now.
};
struct DraftMerged {
  DocId doc;
  std::string user;
};
struct DraftDropped {
  DocId doc;
  std::string user;
};

using EventBody =
    std::variant<UserCreated, UserRemoved, Joined, Left, DocumentCreated, DocumentRenamed,
                 DocumentDeleted, DocumentShared, DocumentChanged, DocumentLocked, DocumentUnlocked,
                 SuggestionsAdded, SuggestionResolved, DraftSaved, DraftMerged, DraftDropped>;

struct Event {
  std::string user;  // Who caused it; empty = the cluster itself. Several: see JoinNames().
  EventBody body;
};

struct EventBatch {
  Revision revision;
  std::uint64_t time_ms = 0;
  std::vector<Event> events;
};

// The document that an event is about; none if it is about users or sessions.
DocId DocumentOf(const Event& event);
// Whose draft it is about: only that user and the document's owners may see it. Null: it is about
// none.
const std::string* DraftUserOf(const Event& event);

std::string EncodeEventBatch(const EventBatch& batch);
std::optional<EventBatch> DecodeEventBatch(std::string_view bytes);

}  // namespace coterie::state
