#pragma once

// What is stored under the keys of keys.h, and the machine's mirrors of it in memory. A mirror is a
// record plus what can be computed from other records. Private to state/. Pure values.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "state/change.h"
#include "state/codec.h"
#include "state/event.h"
#include "state/machine.h"
#include "state/shared_fields.h"

namespace coterie::state {

// What must go on exactly where it stood, beside Applied.
struct Meta {
  std::uint64_t digest = 0;
  std::uint64_t time_ms = 0;
  Revision events_pruned_through;  // No event batch up to here is kept.
  bool is_secure = false;          // The cluster made its first user: a login makes no others.
};

struct UserRecord {
  std::string name;
  std::string password_hash;
  bool is_admin = false;
  std::uint64_t created_at_ms = 0;
  Revision created;  // Which user of this name: a grant to an earlier one is not this one's.
};
struct User {
  UserRecord record;
  std::set<SessionId> sessions;
  std::set<DocId> drafts;  // Documents beside which this user has one.
};

struct SessionRecord {
  SessionId id;
  std::string user;
  std::string token_hash;
  std::uint64_t expires_at_ms = 0;
  Revision attached;
  std::uint64_t lease_ms = 0;
};
// One client process of a session, as exactly-once sees it.
struct Client {
  Revision last_used;  // The newest command that it had executed.
  std::uint64_t acked_below = 0;
  std::vector<std::uint64_t> sequences;  // Whose outcomes are kept. Sorted.
};
// One whose outcomes were dropped.
struct EvictedClient {
  Revision evicted;
  // The highest that it had executed: nothing beyond has ever been done.
  std::uint64_t last_sequence = 0;
};
struct Session {
  SessionRecord record;
  std::map<ClientId, Client> clients;         // At most kClientsPerSessionMax.
  std::map<ClientId, EvictedClient> evicted;  // None of them in `clients`.
  std::set<DocId> locks;
};
struct OutcomeRecord {
  std::uint64_t acked_below = 0;  // Of the request.
  Outcome outcome;
};

struct Grant {
  std::string user;
  Revision user_created;
  DocumentRole role = DocumentRole::kNone;
};
struct DocumentRecord {
  std::string name;
  std::string owner;  // Who created it, for display.
  DocumentRole everyone = DocumentRole::kNone;
  std::vector<Grant> grants;  // Sorted by user.
  std::uint64_t created_at_ms = 0;
  Revision deleted;  // None = alive. Kept for RoleOf() as long as the deletion's event.
};
// The whole content as of one version, under "b" in pieces of kBasePieceBytes.
struct Checkpoint {
  std::uint64_t ordinal = 0;
  std::uint64_t bytes = 0;
};
// Where the content of a document stands: that of any version from the first checkpoint on is the
// newest checkpoint at or before it and the updates of the versions in between.
// Where the versions lie that are older than those that are kept one by one: see archive.cc.
struct Archive {
  std::uint64_t ordinal = 0;            // Of the newest one; the first is 1.
  std::uint64_t oldest_ordinal = 1;     // Of the oldest record in the Kv.
  std::uint64_t visible_ordinal = 1;    // Of the oldest one that is shown.
  std::vector<Checkpoint> checkpoints;  // Ascending. Before the first: empty as of ordinal 0.
  std::uint64_t tail_cost = 0;          // Of the updates since the newest one.
  std::uint64_t checkpoint_due = 0;     // What they may cost before the next one is made.
  std::uint64_t bytes = 0;              // Of all updates and checkpoints that are kept.
};
struct ContentHead {
  Revision revision;
  std::string author;  // Several: see JoinNames(). So it is of a VersionRecord.
  std::uint64_t changed_at_ms = 0;
  TextSize size;                        // Of the text that people see.
  std::string root;                     // The root type that holds it; empty until there is one.
  std::uint64_t ordinal = 0;            // Of the newest version; the first is 1.
  std::uint64_t oldest_ordinal = 1;     // Of the oldest version record in the Kv.
  std::uint64_t visible_ordinal = 1;    // Of the oldest version that is shown.
  std::vector<Checkpoint> checkpoints;  // Ascending. Before the first: empty as of ordinal 0.
  std::uint64_t tail_cost = 0;          // Of the updates since the newest one; see kCostPerVersion.
  std::uint64_t history_bytes = 0;      // Of all updates and checkpoints that are kept.
  Archive archive;
};
struct LockRecord {
  SessionId session;
  std::string holder;
  FencingToken token;
  Revision renewed;
  std::uint64_t ttl_ms = 0;
  std::uint64_t expires_at_ms = 0;
};
// Which suggestion: of which command, and which of its changes, from 1.
struct SuggestionId {
  Revision batch;
  std::uint64_t ordinal = 0;
  friend auto operator<=>(const SuggestionId&, const SuggestionId&) = default;
};
struct SuggestionRecord {
  SuggestionKind kind = SuggestionKind::kGrammar;
  std::string user;  // Who asked for it.
  std::string author;
  std::string model;
  std::uint64_t created_at_ms = 0;
  std::string begin;  // Anchors: see Content::AnchorAt.
  std::string end;
  std::string before;
  std::string after;
  std::string why;
};
// What is known of a draft without reading it.
struct DraftRecord {
  std::string user;
  std::uint64_t created_at_ms = 0;
  std::uint64_t saved_at_ms = 0;
  std::uint64_t size_bytes = 0;
  // How far it goes: of every client that wrote in it, the clock behind its last struct.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> clocks;
};
struct Draft {
  Revision id;  // Of the SaveDraft that began it.
  DraftRecord record;
};
struct Document {
  DocId id;
  DocumentRecord record;
  ContentHead head;
  std::optional<LockRecord> lock;
  std::set<SuggestionId> suggestions;                // The open ones.
  std::map<std::string, Draft, std::less<>> drafts;  // By user.
};
struct VersionRecord {
  Revision revision;
  std::string author;
  std::uint64_t time_ms = 0;
  ChangeKind kind = ChangeKind::kEdit;
  TextSize size;  // Of the text after it.
  std::uint64_t inserted_bytes = 0;
  std::uint64_t deleted_bytes = 0;
  std::uint64_t delta_bytes = 0;  // Of the delta in the Kv, wherever it lies.
  bool is_large = false;          // The delta lies apart, under "w", so that a list stays cheap.
  std::string delta;              // A VersionDelta, encoded, unless it is large.
  std::string assistant;          // See VersionView.
  // Of one that is archived, whose `delta` is an update alone: when it began.
  Revision first;
  std::uint64_t began_ms = 0;
};
// What a version did to the one before.
struct VersionDelta {
  std::vector<Shift> shifts;  // Of the text, in order, each in what the one before left.
  std::string update;         // Yjs, V1.
};

namespace codec {

template <>
struct Fields<TextSize> {
  static constexpr auto kMembers =
      std::tuple(&TextSize::bytes, &TextSize::utf16, &TextSize::code_points);
};
template <>
struct Fields<Shift> {
  static constexpr auto kMembers = std::tuple(&Shift::position, &Shift::deleted, &Shift::inserted);
};
template <>
struct Fields<Checkpoint> {
  static constexpr auto kMembers = std::tuple(&Checkpoint::ordinal, &Checkpoint::bytes);
};
template <>
struct Fields<Applied> {
  static constexpr auto kMembers = std::tuple(
      &Applied::term, &Applied::index, &Applied::configuration, &Applied::configuration_index);
};
template <>
struct Fields<Meta> {
  static constexpr auto kMembers =
      std::tuple(&Meta::digest, &Meta::time_ms, &Meta::events_pruned_through, &Meta::is_secure);
};
template <>
struct Fields<Divergence> {
  static constexpr auto kMembers = std::tuple(&Divergence::at, &Divergence::what);
};
template <>
struct Fields<UserRecord> {
  static constexpr auto kMembers =
      std::tuple(&UserRecord::name, &UserRecord::password_hash, &UserRecord::is_admin,
                 &UserRecord::created_at_ms, &UserRecord::created);
};
template <>
struct Fields<SessionRecord> {
  static constexpr auto kMembers =
      std::tuple(&SessionRecord::id, &SessionRecord::user, &SessionRecord::token_hash,
                 &SessionRecord::expires_at_ms, &SessionRecord::attached, &SessionRecord::lease_ms);
};
template <>
struct Fields<OutcomeRecord> {
  static constexpr auto kMembers = std::tuple(&OutcomeRecord::acked_below, &OutcomeRecord::outcome);
};
template <>
struct Fields<EvictedClient> {
  static constexpr auto kMembers =
      std::tuple(&EvictedClient::evicted, &EvictedClient::last_sequence);
};
template <>
struct Fields<Grant> {
  static constexpr auto kMembers = std::tuple(&Grant::user, &Grant::user_created, &Grant::role);
};
template <>
struct Fields<DocumentRecord> {
  static constexpr auto kMembers =
      std::tuple(&DocumentRecord::name, &DocumentRecord::owner, &DocumentRecord::everyone,
                 &DocumentRecord::grants, &DocumentRecord::created_at_ms, &DocumentRecord::deleted);
};
template <>
struct Fields<Archive> {
  static constexpr auto kMembers = std::tuple(
      &Archive::ordinal, &Archive::oldest_ordinal, &Archive::visible_ordinal, &Archive::checkpoints,
      &Archive::tail_cost, &Archive::checkpoint_due, &Archive::bytes);
};
template <>
struct Fields<ContentHead> {
  static constexpr auto kMembers = std::tuple(
      &ContentHead::revision, &ContentHead::author, &ContentHead::changed_at_ms, &ContentHead::size,
      &ContentHead::root, &ContentHead::ordinal, &ContentHead::oldest_ordinal,
      &ContentHead::visible_ordinal, &ContentHead::checkpoints, &ContentHead::tail_cost,
      &ContentHead::history_bytes, &ContentHead::archive);
};
template <>
struct Fields<LockRecord> {
  static constexpr auto kMembers =
      std::tuple(&LockRecord::session, &LockRecord::holder, &LockRecord::token,
                 &LockRecord::renewed, &LockRecord::ttl_ms, &LockRecord::expires_at_ms);
};
template <>
struct Fields<SuggestionRecord> {
  static constexpr auto kMembers =
      std::tuple(&SuggestionRecord::kind, &SuggestionRecord::user, &SuggestionRecord::author,
                 &SuggestionRecord::model, &SuggestionRecord::created_at_ms,
                 &SuggestionRecord::begin, &SuggestionRecord::end, &SuggestionRecord::before,
                 &SuggestionRecord::after, &SuggestionRecord::why);
};
template <>
struct Fields<DraftRecord> {
  static constexpr auto kMembers =
      std::tuple(&DraftRecord::user, &DraftRecord::created_at_ms, &DraftRecord::saved_at_ms,
                 &DraftRecord::size_bytes, &DraftRecord::clocks);
};
template <>
struct Fields<VersionRecord> {
  static constexpr auto kMembers =
      std::tuple(&VersionRecord::revision, &VersionRecord::author, &VersionRecord::time_ms,
                 &VersionRecord::kind, &VersionRecord::size, &VersionRecord::inserted_bytes,
                 &VersionRecord::deleted_bytes, &VersionRecord::delta_bytes,
                 &VersionRecord::is_large, &VersionRecord::delta, &VersionRecord::assistant,
                 &VersionRecord::first, &VersionRecord::began_ms);
};
template <>
struct Fields<VersionDelta> {
  static constexpr auto kMembers = std::tuple(&VersionDelta::shifts, &VersionDelta::update);
};

}  // namespace codec
}  // namespace coterie::state
