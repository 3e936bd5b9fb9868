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
#include "state/codec.h"
#include "state/event.h"
#include "state/machine.h"
#include "state/shared_fields.h"
#include "state/text.h"

namespace coterie::state {

// What must go on exactly where it stood, beside Applied.
struct Meta {
  std::uint64_t digest = 0;
  std::uint64_t time_ms = 0;
  Revision events_pruned_through;  // No event batch up to here is kept.
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
struct Session {
  SessionRecord record;
  std::map<ClientId, Client> clients;
  std::map<ClientId, Revision> evicted;  // Clients whose outcomes were dropped, and when.
  std::set<DocId> locks;
};
struct OutcomeRecord {
  std::uint64_t acked_below = 0;  // Of the request.
  Outcome outcome;
};
struct EvictedClient {
  Revision evicted;
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
// Where the text of a document stands. Its text is the base text (as of version base_ordinal, in
// pieces of kBasePieceBytes) plus the changes of the versions after it.
struct TextHead {
  Revision revision;
  std::string author;
  std::uint64_t changed_at_ms = 0;
  TextSize size;
  std::uint64_t ordinal = 0;         // Of the newest version; the first is 1.
  std::uint64_t oldest_ordinal = 1;  // Of the oldest version record in the Kv.
  std::uint64_t base_ordinal = 0;
  std::uint64_t base_bytes = 0;
  std::uint64_t tail_cost = 0;  // What is stored since the base, with an allowance per record.
};
struct LockRecord {
  SessionId session;
  std::string holder;
  FencingToken token;
  Revision renewed;
  std::uint64_t ttl_ms = 0;
  std::uint64_t expires_at_ms = 0;
};
struct Document {
  DocId id;
  DocumentRecord record;
  TextHead head;
  std::optional<LockRecord> lock;
};
struct VersionRecord {
  Revision revision;
  std::string author;
  std::uint64_t time_ms = 0;
  ChangeKind kind = ChangeKind::kEdit;
  TextSize size;  // Of the text after it.
  std::uint64_t inserted_bytes = 0;
  std::uint64_t deleted_bytes = 0;
  bool is_large = false;        // The changes lie apart, under "w", so that a list stays cheap.
  std::vector<Change> changes;  // In order, each in the text that the one before left.
};
struct LargeChanges {
  std::vector<Change> changes;
};

namespace codec {

template <>
struct Fields<TextSize> {
  static constexpr auto kMembers =
      std::tuple(&TextSize::bytes, &TextSize::utf16, &TextSize::code_points);
};
template <>
struct Fields<Change> {
  static constexpr auto kMembers =
      std::tuple(&Change::position, &Change::deleted, &Change::inserted);
};
template <>
struct Fields<Applied> {
  static constexpr auto kMembers = std::tuple(
      &Applied::term, &Applied::index, &Applied::configuration, &Applied::configuration_index);
};
template <>
struct Fields<Meta> {
  static constexpr auto kMembers =
      std::tuple(&Meta::digest, &Meta::time_ms, &Meta::events_pruned_through);
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
  static constexpr auto kMembers = std::tuple(&EvictedClient::evicted);
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
struct Fields<TextHead> {
  static constexpr auto kMembers =
      std::tuple(&TextHead::revision, &TextHead::author, &TextHead::changed_at_ms, &TextHead::size,
                 &TextHead::ordinal, &TextHead::oldest_ordinal, &TextHead::base_ordinal,
                 &TextHead::base_bytes, &TextHead::tail_cost);
};
template <>
struct Fields<LockRecord> {
  static constexpr auto kMembers =
      std::tuple(&LockRecord::session, &LockRecord::holder, &LockRecord::token,
                 &LockRecord::renewed, &LockRecord::ttl_ms, &LockRecord::expires_at_ms);
};
template <>
struct Fields<VersionRecord> {
  static constexpr auto kMembers =
      std::tuple(&VersionRecord::revision, &VersionRecord::author, &VersionRecord::time_ms,
                 &VersionRecord::kind, &VersionRecord::size, &VersionRecord::inserted_bytes,
                 &VersionRecord::deleted_bytes, &VersionRecord::is_large, &VersionRecord::changes);
};
template <>
struct Fields<LargeChanges> {
  static constexpr auto kMembers = std::tuple(&LargeChanges::changes);
};

}  // namespace codec
}  // namespace coterie::state
