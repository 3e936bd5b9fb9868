#pragma once

// What is proposed to the cluster: every change of the replicated state is one Command in one log
// entry. A command says what is wanted; Machine decides, in the log's order, what comes of it.
// Everything random or secret was decided before (hashes, salts), so that applying is a pure
// function. Pure values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/utf8.h"

namespace coterie::state {

// Limits, enforced by Machine and, before anything is proposed, by rpc/.
inline constexpr std::size_t kNameBytesMax = 256;          // Documents and users, UTF-8.
inline constexpr std::size_t kTextBytesMax = 64 << 20;     // One document.
inline constexpr std::size_t kCommandBytesMax = 4 << 20;   // One encoded command.
inline constexpr std::size_t kUpdateBytesMax = 1 << 20;    // One Yjs update; all of one entry.
inline constexpr std::size_t kUpdatePartsMax = 64;         // In one ApplyUpdates.
inline constexpr std::size_t kContentBytesMax = 64 << 20;  // One document's Yjs state.
inline constexpr std::size_t kPendingBytesMax = 4 << 20;   // Of it, what waits for what never came.
inline constexpr std::size_t kSplicesMax = 1'000;          // In one Edit.
inline constexpr std::size_t kDeltaStepsMax = 10'000;      // In one EditDelta.
inline constexpr std::size_t kMarksWrittenMax = 1 << 18;   // By one EditDelta.
inline constexpr std::size_t kAttributesMax = 64;          // Of one step of it.
inline constexpr std::size_t kAttributeBytesMax = 64 << 10;  // Name and value; and one embed.
inline constexpr std::size_t kDocumentsMax = 1'000'000;
inline constexpr std::size_t kDocumentsPerUserMax = 100'000;  // That one has made.
inline constexpr std::size_t kSessionsPerUserMax = 1'000;     // The oldest goes first.
inline constexpr std::size_t kClientsPerSessionMax = 64;      // The least recent goes first.
inline constexpr std::size_t kOutcomesPerClientMax = 1'024;   // Kept for retries, by sequence.
// Each by itself, and up to kArchivedPerChange more; those before them by sittings (archive.cc).
inline constexpr std::size_t kVersionsPerDocumentMax = 1'000;
inline constexpr std::size_t kArchivedPerChange = 16;
inline constexpr std::size_t kArchivedVersionsMax = 10'000;
inline constexpr std::size_t kSuggestionsMax = 200;            // In one AddSuggestions.
inline constexpr std::size_t kOpenSuggestionsMax = 1'000;      // Per document.
inline constexpr std::size_t kSuggestedBytesMax = 64 << 10;    // Of `before`, and of `after`.
inline constexpr std::size_t kSuggestionNoteBytesMax = 1'024;  // Of `why`.
inline constexpr std::size_t kDraftBytesMax = 1 << 20;
inline constexpr std::size_t kDraftsPerDocumentMax = 100;
inline constexpr std::size_t kDraftClientsMax = 1'000;  // Who wrote in one.
inline constexpr std::uint64_t kLockTtlMsMax = 24ull * 60 * 60 * 1'000;

enum class DocumentRole : std::uint8_t { kNone, kViewer, kEditor, kOwner };

// Exactly once: a command with the same (session, client, sequence) as an earlier one has no effect
// and gets the earlier one's outcome. Sequence 0 = never deduplicated.
// Source: Raft thesis 6.3; LogCabin's first-outstanding.
struct RequestId {
  ClientId client;
  std::uint64_t sequence = 0;
  std::uint64_t acked_below = 0;  // The client has the answers of all sequences below this.
  friend bool operator==(const RequestId&, const RequestId&) = default;
};

using coterie::PositionUnit;

// Replaces `deleted` units at `position` by `inserted`.
struct Splice {
  std::uint64_t position = 0;
  std::uint64_t deleted = 0;
  std::string inserted;  // UTF-8.
  friend bool operator==(const Splice&, const Splice&) = default;
};

struct CreateUser {
  std::string name;
  std::string password_hash;  // Argon2id, in libsodium's string form; opaque here. Empty = none.
  bool is_admin = false;
};
struct SetPassword {
  std::string name;
  std::string password_hash;
};
struct RemoveUser {
  std::string name;
};
// The password was checked by rpc/ before; `verified_hash` is the stored one that it was checked
// against, so that a change meanwhile makes the login fail. `create_user`: the development login of
// a cluster without --secure, which makes the user at the first one (with `verified_hash`).
struct Login {
  std::string user;
  std::string verified_hash;
  bool create_user = false;
  bool create_as_admin = false;
  std::string token_hash;  // 32 bytes.
  std::uint64_t lifetime_ms = 0;
};
struct Logout {};
// By the leader, when a session's lifetime is over. No effect if it was extended meanwhile.
struct ExpireSession {
  SessionId session;
};
// The session is present from now on (JOIN). Attaching again only changes the lease.
struct Attach {
  std::uint64_t lease_ms = 0;
};
// The session is gone (LEAVE), and what it held by its lease is released. `attached` is the
// revision of the JOIN that is meant: with another one it has no effect (etcd #15247).
enum class LeaveReason : std::uint8_t { kDetached, kLeaseExpired, kLoggedOut };
struct Leave {
  SessionId session;
  Revision attached;
  LeaveReason reason = LeaveReason::kDetached;
};
struct CreateDocument {
  std::string name;
  std::string text;
  DocumentRole everyone = DocumentRole::kEditor;  // The role of who has none of their own.
};
struct RenameDocument {
  DocId doc;
  std::string name;
};
struct DeleteDocument {
  DocId doc;
};
struct ShareDocument {
  DocId doc;
  std::string user;  // Empty = everyone.
  DocumentRole role = DocumentRole::kNone;
};
// The whole text; only with the lock. `token` must be the lock's.
struct Write {
  DocId doc;
  FencingToken token;
  std::string text;
};
// Positions are in the text at `base`; changes since then are transformed over. None = now.
struct Edit {
  DocId doc;
  FencingToken token;  // None unless the caller holds the lock.
  Revision base;
  PositionUnit unit = PositionUnit::kUtf16;
  std::vector<Splice> splices;  // Ascending, non-overlapping, all in the text before the edit.
};
// One step of a delta (Quill's, and Y.Text's): the steps go over a text from its beginning.
enum class StepKind : std::uint8_t {
  kRetain,  // Goes over `length` units, and sets `attributes` on them.
  kInsert,  // Puts `text` there, with exactly these attributes.
  kEmbed,   // The same with an embed, one unit wide: `text` is its JSON.
  kDelete,  // Takes `length` units away.
};
struct DeltaStep {
  StepKind kind = StepKind::kRetain;
  std::uint64_t length = 0;
  std::string text;                                             // UTF-8.
  std::vector<std::pair<std::string, std::string>> attributes;  // Name, JSON; "null" ends one.
  friend bool operator==(const DeltaStep&, const DeltaStep&) = default;
};
// As Edit, for formatted text. What somebody else inserts within a stretch that is formatted is
// formatted with it, as in Yjs; within one that is deleted it stays.
struct EditDelta {
  DocId doc;
  FencingToken token;  // None unless the caller holds the lock.
  Revision base;       // None = now.
  PositionUnit unit = PositionUnit::kUtf16;
  std::vector<DeltaStep> steps;
};
struct Append {
  DocId doc;
  FencingToken token;
  std::string text;
};
// What an editor did, as a Yjs update of format V1 (crdt/update_reader.h). Respects a lock as an
// Edit does; needs none. What the document has already does nothing.
struct ApplyUpdate {
  DocId doc;
  FencingToken token;  // None unless the caller holds the lock.
  std::string update;
};
// The content of an earlier version becomes the newest one; only with the lock.
struct Restore {
  DocId doc;
  FencingToken token;
  Revision version;
};
// Taken again by its holder, a lock keeps its token and gets a new expiry.
struct Lock {
  DocId doc;
  std::uint64_t ttl_ms = 0;  // 0 = as long as the session is attached (its lease).
};
struct Unlock {
  DocId doc;
  FencingToken token;  // None = whatever token this session holds.
};
// By the document's owner or an admin.
struct BreakLock {
  DocId doc;
};
// By the leader's timer. No effect unless `token` is still the lock's and `renewed` its last
// renewal.
struct ExpireLock {
  DocId doc;
  FencingToken token;
  Revision renewed;
};
// By the leader, now and then: every machine compares its own digest at `at`.
struct CheckDigest {
  Revision at;
  std::uint64_t digest = 0;
};

enum class SuggestionKind : std::uint8_t { kGrammar, kEnhance, kContinue };
// That `after` should stand where `before` does.
struct SuggestedChange {
  std::uint64_t position = 0;  // In UTF-16 units of the text at the base; its length is `before`'s.
  std::string before;          // UTF-8, as is what follows.
  std::string after;
  std::string why;  // For display; may be empty.
  friend bool operator==(const SuggestedChange&, const SuggestedChange&) = default;
};
// What a model, or anybody, would have otherwise: kept with the document until an editor resolves
// it. What no longer fits the text is dropped; with nothing left the command is refused.
struct AddSuggestions {
  DocId doc;
  Revision base;  // None = now.
  SuggestionKind kind = SuggestionKind::kGrammar;
  std::string author;                    // For display: "AI for ann".
  std::string model;                     // Which one; may be empty.
  std::vector<SuggestedChange> changes;  // Ascending, non-overlapping, all in the text at `base`.
};
enum class Resolution : std::uint8_t { kAccepted, kRejected, kStale };
// Accepting edits the text as far as `before` and `after` differ, and respects a lock as an Edit
// does. What no longer fits the text is removed: then the outcome is kStaleSuggestion, although all
// that fits has been accepted.
struct ResolveSuggestions {
  DocId doc;
  FencingToken token;                             // None unless the caller holds the lock.
  Revision batch;                                 // The AddSuggestions that made them.
  std::uint64_t ordinal = 0;                      // Which of them, from 1; 0 = all that are open.
  Resolution resolution = Resolution::kAccepted;  // Not kStale.
};

// What a client wrote and the document did not take, because another holds the lock, or because the
// user may not write any more: kept beside the document, one draft per user, until it is merged or
// dropped. What is saved later is added. By whoever may see the document. A draft whose user sends
// all of it as updates after all is merged with the last of them.
struct SaveDraft {
  DocId doc;
  std::string update;  // As ApplyUpdate's.
};
// By the draft's user, or an owner of the document. Respects a lock as an Edit does.
struct MergeDraft {
  DocId doc;
  FencingToken token;  // None unless the caller holds the lock.
  std::string user;    // Whose draft.
};
struct DropDraft {
  DocId doc;
  std::string user;
};

// What one of several did who write in the same document.
struct UpdatePart {
  SessionId session;
  RequestId request;   // Its own; not without one.
  std::string update;  // As ApplyUpdate's.
  friend bool operator==(const UpdatePart&, const UpdatePart&) = default;
};
// The ApplyUpdate of several sessions in one entry, for a node on which they write at once. Each
// part is judged by itself, happens once by its own request, and has an outcome of its own
// (Outcome::parts); what is accepted becomes one version, whose authors are all of them. By the
// cluster's nodes, which have checked whose sessions these are.
struct ApplyUpdates {
  DocId doc;
  std::vector<UpdatePart> parts;  // One at most of each client of a session.
};

using CommandBody =
    std::variant<CreateUser, SetPassword, RemoveUser, Login, Logout, ExpireSession, Attach, Leave,
                 CreateDocument, RenameDocument, DeleteDocument, ShareDocument, Write, Edit, Append,
                 Restore, Lock, Unlock, BreakLock, ExpireLock, CheckDigest, ApplyUpdate,
                 AddSuggestions, ResolveSuggestions, SaveDraft, MergeDraft, DropDraft, EditDelta,
                 ApplyUpdates>;

struct Command {
  SessionId session;  // Who asks. None for Login, first users, and the cluster's own commands.
  RequestId request;
  CommandBody body;
};
// Whether it has one effect however often it is proposed.
bool IsRepeatable(const Command& command);

// What an entry of the log asks of a program that reads it. A leader writes nothing above what all
// members read, so that in a rolling upgrade nobody meets what it must stop at, and all make the
// same of every entry. The numbers are those of the versions that nodes speak (node/peer_codec.h).
//   1: the commands up to CheckDigest.
//   2: and ApplyUpdate, AddSuggestions, ResolveSuggestions.
//   3: and drafts, EditDelta, ApplyUpdates; stamps tell the level, and from it on embeds count in
//      positions, and what waits in a content is bounded, and what is gone over to find places in
//      it.
inline constexpr std::uint64_t kLevelOldest = 1;
inline constexpr std::uint64_t kLevelNewest = 3;
// The first level of stamps that tell it.
inline constexpr std::uint64_t kLevelOfStamps = 3;

// What the leader adds when it proposes: the payload of a log entry is a stamped command.
struct Stamp {
  std::uint64_t time_ms = 0;           // The leader's wall clock: for display and lifetimes only.
  NodeId origin;                       // Whose waiter gets the outcome, and
  std::uint64_t waiter = 0;            // which one (unique within a life of the origin's process).
  std::uint64_t level = kLevelNewest;  // By whose rules the command is applied.
};

// The encodings start with a version byte; an unknown one does not decode. DecodeCommand() also
// refuses what any machine would refuse whatever its state: limits, invalid UTF-8, unfit names. It
// is the gate before anything is proposed; DecodeStampedCommand() only asks for a readable
// structure, because what is committed has an outcome, not an argument.
std::string EncodeCommand(const Command& command);
// Whether this program knows the version and the kind of an encoded command, whatever is in it:
// what another node asks the leader to propose may be of a newer program, and must not enter the
// log before everybody can read it.
bool IsKnownCommand(std::string_view bytes);
// The level of an encoded command that is known.
std::uint64_t LevelOfCommand(std::string_view bytes);
// Whether an encoded command brings what editors typed.
bool IsEditorUpdate(std::string_view bytes);
std::optional<Command> DecodeCommand(std::string_view bytes);
std::string StampCommand(const Stamp& stamp, std::string_view encoded_command);
// The level that an entry's payload asks for; above kLevelNewest if it is not known at all.
std::uint64_t LevelOfPayload(std::string_view payload);
struct StampedCommand {
  Stamp stamp;
  Command command;
};
std::optional<StampedCommand> DecodeStampedCommand(std::string_view payload);

}  // namespace coterie::state
