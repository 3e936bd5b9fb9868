#pragma once

// The replicated state machine: applies committed commands in the log's order and answers questions
// about the state as of the last one. A pure function of the log: it reads no clock, draws no
// random number and iterates nothing whose order could differ between nodes.
//
// What is small and always needed (users, sessions, locks, document heads) is held in memory and
// written through; contents, versions, outcomes and events live in the Kv. Everything of one
// Apply() and the applied position are one atomic batch (etcd #13766). Not here: passwords (only
// their hashes), timers (the leader proposes expiries), transport. Owner: the apply thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "crdt/state_vector.h"
#include "state/command.h"
#include "state/event.h"
#include "state/kv.h"
#include "state/outcome.h"

namespace coterie::state {

struct UserView {
  std::string name;
  std::string password_hash;
  bool is_admin = false;
  std::uint64_t created_at_ms = 0;
};
struct SessionView {
  SessionId id;
  std::string user;
  bool is_admin = false;
  std::string token_hash;
  std::uint64_t expires_at_ms = 0;
  Revision attached;  // None = not present.
  std::uint64_t lease_ms = 0;
};
struct DocumentView {
  DocId id;
  std::string name;
  std::string owner;
  DocumentRole everyone = DocumentRole::kNone;
  std::vector<std::pair<std::string, DocumentRole>> roles;  // By user name, sorted.
  std::uint64_t size_bytes = 0;
  Revision revision;   // Of its last change of text.
  std::string author;  // Of it. Several: see JoinNames().
  std::uint64_t created_at_ms = 0;
  std::uint64_t changed_at_ms = 0;
  std::optional<LockView> lock;
};
// What a page of a list of documents may hold and cost.
struct ListLimits {
  std::size_t count_max = 0;
  std::size_t looked_at_max = 0;                       // Documents, listed or not.
  std::function<bool(std::string_view name)> matches;  // Only these. None = all.
};
struct DocumentPage {
  std::vector<DocumentView> documents;
  bool has_more = false;  // Others follow what was looked at; the page may be empty all the same.
  // Where the next page begins, in a list by name and in one by change.
  std::string last_name;
  Revision last_change;
};
struct VersionView {
  Revision revision;
  std::string author;  // Several: see JoinNames().
  std::uint64_t time_ms = 0;
  ChangeKind kind = ChangeKind::kEdit;
  std::uint64_t inserted_bytes = 0;
  std::uint64_t deleted_bytes = 0;
  // Whose suggestions its author accepted, as they were shown: "AI for ann". Empty: none.
  std::string assistant;
};
struct SuggestionView {
  Revision batch;
  std::uint64_t ordinal = 0;
  SuggestionKind kind = SuggestionKind::kGrammar;
  std::string user;  // Who asked for it.
  std::string author;
  std::string model;
  std::uint64_t created_at_ms = 0;
  // Where it is now, in UTF-16 units; none when it no longer fits the text.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> range;  // Begin and end.
  // Its ends as encoded Yjs relative positions; see Content::AnchorAt.
  std::string begin_anchor;
  std::string end_anchor;
  std::string before;
  std::string after;
  std::string why;
};
struct DraftView {
  std::string user;
  std::uint64_t created_at_ms = 0;
  std::uint64_t saved_at_ms = 0;
  std::uint64_t size_bytes = 0;
};
// What somebody has written into a document, step by step, as places in its text: they move along
// when others write, and what is deleted is no part of it any more.
struct Writing {
  Revision revision;           // The version of the document that the places are in.
  std::vector<Splice> places;  // `position` and `deleted`, in UTF-16; ascending, not adjacent.
  std::uint64_t at = 0;        // Where it goes on: behind the last place.
  // The same that do not hang on versions, for when too many have gone by. Anchors are Yjs relative
  // positions, as bytes.
  struct Mark {
    std::string begin;
    std::string end;
    std::string letters;
  };
  std::vector<Mark> marks;  // Of the places.
  std::string anchor;       // Of `at`.
};
// What a document says.
struct Reading {
  std::string text;
  bool is_projection = false;  // Rich content as Markdown: positions in it mean nothing.
};
// Where the state stands in the log.
struct Applied {
  Term term;
  Index index;
  std::string configuration;  // The last applied membership, as its log entry held it.
  Index configuration_index;
};

// Under this key every Commit() stores Applied, encoded: whoever holds a copy of the state can say
// where in the log it stands without a Machine.
inline constexpr std::string_view kAppliedKey = "applied";
std::string EncodeApplied(const Applied& applied);
std::optional<Applied> DecodeApplied(std::string_view value);

// What one applied entry gave. `outcome` and `events` are empty for entries that are no commands.
struct ApplyResult {
  Stamp stamp;
  std::optional<Outcome> outcome;
  std::optional<EventBatch> events;
  std::vector<SessionId> sessions;  // Begun, changed or ended by it.
};

// Where the state of a backup becomes that of a new cluster.
struct Beginning {
  // Of the last entry that the new log leaves out. The index is one that the old cluster cannot
  // have reached: what it did after the backup may be known to somebody.
  Term term;
  Index index;
  std::string configuration;  // The new members, encoded.
  // Another one for every cluster that is made of a backup.
  std::uint64_t writers_seed = 0;
};

// The digests of two nodes at one index differ, or a committed entry does not decode: this state
// must not be served or voted with any more (ClickHouse #81780).
struct Divergence {
  Revision at;
  std::string what;
};

class Machine {
 public:
  struct Options {
    std::size_t events_retained_max = 100'000;  // Batches.
    std::uint64_t events_retained_bytes_max = 256 << 20;
    std::size_t versions_kept_max = kVersionsPerDocumentMax;  // One by one.
    std::size_t content_cache_bytes_max = 64 << 20;
  };
  // Loads the state that `kv` holds; `kv` outlives the machine. All nodes of a cluster must run the
  // same retention options.
  Machine(Kv& kv, Options options);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // --- Applying: index must be applied().index + 1; call Commit() after the last of a range ---
  ApplyResult ApplyCommand(Term term, Index index, std::string_view payload);
  void ApplyNoop(Term term, Index index);
  void ApplyConfiguration(Term term, Index index, std::string_view configuration);
  void Commit();

  // Makes what `kv` holds the beginning of another cluster, and commits that. Documents, versions,
  // suggestions, drafts, users and roles stay; all sessions end, and with them their locks; no
  // event is retained, so that who followed the old cluster reads the state anew. The machine's own
  // edits get client ids that nobody has seen: editors may hold edits which the old cluster made
  // after the backup, under ids and clocks that would else be used again. Requires that nothing is
  // pending, no divergence, and a later index.
  void BeginAnew(const Beginning& beginning);

  // --- Questions, as of the last applied entry, committed or not ---
  const Applied& applied() const;
  std::uint64_t time_ms() const;  // The newest stamp seen; never goes back.
  std::uint64_t digest() const;   // Of everything applied, chained.
  const std::optional<Divergence>& divergence() const;
  // Why what the Kv held at the start cannot be read by this program; empty if it can. Then nothing
  // is applied.
  const std::string& why_unreadable() const;
  // The highest that an entry has asked for: all members read it, or are lost already.
  std::uint64_t level() const;

  // Whether administrators alone make users, since the cluster itself made the first one.
  bool is_secure() const;
  std::optional<UserView> FindUser(std::string_view name) const;
  std::vector<UserView> Users() const;
  std::optional<SessionView> FindSession(SessionId id) const;
  std::vector<SessionView> Sessions() const;
  std::optional<DocumentView> FindDocument(DocId id) const;
  std::optional<DocumentView> FindDocumentByName(std::string_view name) const;
  std::vector<DocumentView> Documents() const;  // By name.
  // Those that `user` may see, by name from behind that name on ("" = from the first on).
  DocumentPage DocumentsByName(std::string_view user, std::string_view after_name,
                               const ListLimits& limits) const;
  // The same ones by the revision of their content, the newest first, of those before `before`
  // (none = all).
  DocumentPage DocumentsByChange(std::string_view user, Revision before,
                                 const ListLimits& limits) const;
  // The effective role: admins own everything; none if the document does not exist. Still answers
  // for a deleted document while its events are retained.
  DocumentRole RoleOf(std::string_view user, DocId doc) const;
  // The text that people see at `revision` (none = now): see state/content.h. Empty optional: no
  // such document or version retained.
  std::optional<std::string> TextAt(DocId doc, Revision revision) const;
  // Of now, with U+FFFC for each embed: positions in it are those of edits.
  std::optional<std::string> TextWithEmbeds(DocId doc) const;
  // The same for reading: of XML as Markdown, and of any root ("" = the main one).
  std::optional<Reading> ReadingAt(DocId doc, Revision revision, std::string_view root) const;
  // The same content as a Yjs update (V1), without what `known` covers.
  std::optional<std::string> UpdateAt(DocId doc, Revision revision,
                                      const crdt::StateVector& known) const;
  // Those before `before` (none = all), newest first, `count_max` at most.
  std::vector<VersionView> Versions(DocId doc, Revision before = {},
                                    std::size_t count_max = kVersionsPerDocumentMax) const;
  std::vector<LockView> Locks() const;  // By document name.

  // The open ones, oldest first. None if there is no such document.
  std::vector<SuggestionView> Suggestions(DocId doc) const;
  // How many there are, of this batch alone unless it is none, without looking where they are.
  std::size_t OpenSuggestionCount(DocId doc, Revision batch = {}) const;

  // Everybody's, by user. Whose they are, and who owns the document, may see them.
  std::vector<DraftView> Drafts(DocId doc) const;
  // One of them as a Yjs update (V1). None if there is no such draft.
  std::optional<std::string> DraftUpdate(DocId doc, std::string_view user) const;
  // Of the root type in which the document's text lies; "" if there is none yet.
  std::string TextRootOf(DocId doc) const;
  // `writing` in the newest version, with what the version `added` inserted. Where not all the
  // versions in between are retained, by its anchor and marks: then a place is left out in which
  // others have written or deleted. None: no such document, or neither versions nor anchor.
  std::optional<Writing> Follow(DocId doc, Writing writing, Revision added) const;

  // Batches with revision > after, ascending, at most `batches_max` and about `bytes_max` bytes.
  // Requires after >= oldest_event_revision() - 1, else there would be a silent gap.
  std::vector<EventBatch> EventsAfter(Revision after, std::size_t batches_max,
                                      std::size_t bytes_max) const;
  // Every batch with a revision from here on is retained.
  Revision oldest_event_revision() const;

  void CheckInvariants() const;
  // Loads the state anew from the Kv and compares. Requires that nothing is pending.
  void CheckInvariantsDeep() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::state
