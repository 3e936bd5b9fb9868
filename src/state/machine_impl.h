#pragma once

// The inside of Machine, split over files by topic: machine.cc (control flow, loading, committing),
// requests.cc (exactly once), users.cc, sessions.cc, documents.cc, locks.cc, edits.cc and
// joint_edits.cc (changing contents), suggestions.cc, drafts.cc, contents.cc (storing them),
// archive.cc (their older versions), events.cc. Private to state/. Owner: the apply thread.
//
// A command's handler, Apply(const X&), first checks everything and then does everything: it never
// refuses after a first write. All writes go through Put() and Delete(), which the digest sees.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "state/codec.h"
#include "state/content.h"
#include "state/digest.h"
#include "state/keys.h"
#include "state/machine.h"
#include "state/records.h"
#include "state/shared_names.h"

namespace coterie::state {

inline constexpr std::size_t kDigestsRemembered = 4'096;
inline constexpr std::size_t kEvictedClientsMax = 4'096;  // Remembered per session.
inline constexpr std::size_t kLocksPerSessionMax = 1'000;
inline constexpr std::size_t kUsersMax = 100'000;
inline constexpr std::size_t kGrantsPerDocumentMax = 1'000;
inline constexpr std::size_t kBasePieceBytes = 256 << 10;
// Above this the oldest versions of a document go, even if there are few.
inline constexpr std::uint64_t kHistoryBytesMax = 256 << 20;
// What a version record costs beside its bytes: a lookup when the content is loaded.
inline constexpr std::uint64_t kCostPerVersion = 256;
// A tail up to this is kept even if the content is shorter.
inline constexpr std::uint64_t kTailCostFloor = 32 << 10;
// Above this the delta of a version lies apart, so that a list of versions does not read it.
inline constexpr std::uint64_t kLargeDeltaBytes = 4 << 10;
// Above this the oldest of the archived ones go.
inline constexpr std::uint64_t kArchiveBytesMax = 64 << 20;

class Machine::Impl {
 public:
  Impl(Kv& kv, Options options);

  // machine.cc
  ApplyResult ApplyCommand(Term term, Index index, std::string_view payload);
  void ApplyOther(Term term, Index index, std::string_view configuration);
  void Commit();
  void BeginAnew(const Beginning& beginning);
  void CheckInvariants() const;
  void CheckInvariantsDeep() const;
  const Applied& applied() const { return applied_; }
  const Meta& meta() const { return meta_; }
  const std::optional<Divergence>& divergence() const { return divergence_; }
  const std::string& why_unreadable() const { return why_unreadable_; }
  std::uint64_t level() const { return level_; }

  // Questions, each in its topic's file.
  std::optional<UserView> FindUser(std::string_view name) const;
  std::vector<UserView> Users() const;
  std::optional<SessionView> FindSession(SessionId id) const;
  std::vector<SessionView> Sessions() const;
  std::optional<DocumentView> FindDocument(DocId id) const;
  std::optional<DocumentView> FindDocumentByName(std::string_view name) const;
  std::vector<DocumentView> Documents() const;
  DocumentPage DocumentsByName(std::string_view user, std::string_view after_name,
                               const ListLimits& limits) const;
  DocumentPage DocumentsByChange(std::string_view user, Revision before,
                                 const ListLimits& limits) const;
  DocumentRole RoleOf(std::string_view user, DocId doc) const;
  std::optional<std::string> TextAt(DocId doc, Revision revision) const;
  std::optional<std::string> TextWithEmbeds(DocId doc) const;
  std::optional<Reading> ReadingAt(DocId doc, Revision revision, std::string_view root) const;
  std::optional<std::string> UpdateAt(DocId doc, Revision revision,
                                      const crdt::StateVector& known) const;
  std::vector<VersionView> Versions(DocId doc, Revision before, std::size_t count_max) const;
  std::vector<LockView> Locks() const;
  std::vector<SuggestionView> Suggestions(DocId doc) const;
  std::size_t OpenSuggestionCount(DocId doc, Revision batch) const;
  std::vector<DraftView> Drafts(DocId doc) const;
  std::optional<std::string> DraftUpdate(DocId doc, std::string_view user) const;
  std::string TextRootOf(DocId doc) const;
  std::optional<Writing> Follow(DocId doc, Writing writing, Revision added) const;
  std::vector<EventBatch> EventsAfter(Revision after, std::size_t batches_max,
                                      std::size_t bytes_max) const;
  Revision oldest_event_revision() const { return meta_.events_pruned_through.Next(); }

 private:
  // The command being applied.
  struct Entry {
    Revision revision;
    std::uint64_t level = kLevelOldest;  // By whose rules it is applied.
    SessionId session;                   // None: the cluster itself asks.
    std::string user;
    bool is_admin = false;
    std::vector<Event> events;
    std::vector<SessionId> sessions;  // Touched.
  };
  // Which of a session's locks: those bound to its lease, or those with a time to live, too.
  enum class HeldBy : std::uint8_t { kLease, kAnything };
  struct Allowed {
    Document* document = nullptr;  // Null when refused.
    Outcome refusal;
  };

  // machine.cc
  void Load();
  template <class Record>
  void LoadTable(char table, void (Impl::*add)(std::string_view key, Record&& record));
  void LoadUser(std::string_view key, UserRecord&& record);
  void LoadSession(std::string_view key, SessionRecord&& record);
  void LoadOutcome(std::string_view key, OutcomeRecord&& record);
  void LoadEvictedClient(std::string_view key, EvictedClient&& record);
  void LoadDocument(std::string_view key, DocumentRecord&& record);
  void LoadContentHead(std::string_view key, ContentHead&& record);
  void LoadLock(std::string_view key, LockRecord&& record);
  void LoadSuggestion(std::string_view key, SuggestionRecord&& record);
  void LoadDraft(std::string_view key, DraftRecord&& record);
  void BeginEntry(Index index, std::string_view payload);
  void NoteLevel(std::uint64_t level);
  void FinishEntry(Term term, Index index);
  Outcome Decide(const Command& command);
  Session* ActAs(SessionId id);
  Outcome NoSession() const;
  Outcome Dispatch(const Command& command);
  std::optional<Outcome> Refuse(const Command& command);
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  // What the Kv holds makes no sense: nothing more is applied or committed.
  void Break(std::string_view what) const;
  std::string DumpMirrors() const;
  Outcome Apply(const CheckDigest& command);

  // requests.cc
  std::optional<Outcome> AnswerFromBefore(Session& session, const RequestId& request);
  void Remember(const RequestId& request, const Outcome& outcome);
  bool Admit(Session& session, const RequestId& request);
  void MaybeEvictClient(Session& session);
  void ForgetClients(const Session& session);

  // users.cc
  Outcome Apply(const CreateUser& command);
  Outcome Apply(const SetPassword& command);
  Outcome Apply(const RemoveUser& command);
  const User* UserOf(std::string_view name) const;
  void AddUser(std::string name, std::string password_hash, bool is_admin);

  // sessions.cc
  Outcome Apply(const Login& command);
  Outcome Apply(const Logout& command);
  Outcome Apply(const ExpireSession& command);
  Outcome Apply(const Attach& command);
  Outcome Apply(const Leave& command);
  void StoreSession(const Session& session);
  void EndPresence(Session& session, LeaveReason reason);
  void EndSession(SessionId id, LeaveReason reason);
  SessionView ViewOf(const Session& session) const;

  // document_lists.cc
  DocumentPage FewByChange(const User& user, Revision before, const ListLimits& limits) const;
  std::optional<std::string_view> NextNameFor(const User& user, std::string_view after) const;

  // documents.cc
  Outcome Apply(const CreateDocument& command);
  Outcome Apply(const RenameDocument& command);
  Outcome Apply(const DeleteDocument& command);
  Outcome Apply(const ShareDocument& command);
  Allowed Require(DocId doc, DocumentRole role);
  DocumentRole RoleIn(const DocumentRecord& document, std::string_view user) const;
  void StoreDocument(const Document& document);
  void ForgetName(const Document& document);
  void ForgetOldDeletions();
  DocumentView ViewOf(const Document& document) const;

  // locks.cc
  Outcome Apply(const Lock& command);
  Outcome Apply(const Unlock& command);
  Outcome Apply(const BreakLock& command);
  Outcome Apply(const ExpireLock& command);
  std::optional<Outcome> RefuseWrite(const Document& document, FencingToken token) const;
  std::optional<Outcome> RefuseEdit(const Document& document, FencingToken token) const;
  Outcome RefuseForHolder(const Document& document, Code code) const;
  Outcome RefuseStaleToken(const Document& document) const;
  void ReleaseLock(Document& document, UnlockReason reason);
  void ReleaseLocksOf(Session& session, HeldBy which);
  LockView LockViewOf(const Document& document) const;

  // edits.cc
  Outcome Apply(const Write& command);
  Outcome Apply(const Edit& command);
  Outcome Apply(const Append& command);
  Outcome Apply(const Restore& command);
  Outcome Apply(const ApplyUpdate& command);
  // Merges an update of anybody's into the content: a version, or a refusal with nothing done.
  // Applies what is new of updates to the document's content. Refused where that takes too long,
  // with crdt::kTooManyConflicts: then nothing has happened.
  crdt::Malformed ApplyNews(const Document& document, const std::string& news,
                            Content::Effect& effect);
  Outcome MergeUpdate(Document& document, std::string_view update);
  std::optional<Outcome> RefusePositions(const Content& content) const;
  static Outcome WornOut();
  static Outcome TooMuchContent();
  static Outcome TooMuchWaits();
  static Outcome NotApplied(const crdt::Malformed& malformed);
  Outcome ReplaceText(Document& document, ChangeKind kind, std::string_view text);
  Outcome Apply(const EditDelta& command);
  // What an edit's positions mean.
  struct Base {
    Revision revision;
    PositionUnit unit = PositionUnit::kUtf16;
  };
  std::optional<Outcome> FollowChanges(const Document& document, const Base& base,
                                       std::uint64_t end, std::size_t pieces,
                                       const std::function<std::size_t(const Shift&)>& move) const;
  // The same for the splices of an edit.
  std::optional<Outcome> TransformToNow(const Document& document, const Edit& command,
                                        std::vector<Splice>& splices) const;
  bool HasRoomFor(const Document& document, std::uint64_t bytes) const;
  // Programs of older levels do not count embeds that come and go.
  crdt::Embeds embeds() const {
    return entry_.level < kLevelOfStamps ? crdt::Embeds::kIgnored : crdt::Embeds::kTold;
  }
  // Changes the text, in order, each in what the one before left. Requires that the content is a
  // text, that the places are there and that the new text is within the limit.
  Outcome ChangeText(Document& document, ChangeKind kind,
                     const std::vector<crdt::TextChange>& changes, std::string assistant = {});
  // Makes what the cached content has undergone a new version and its event; nothing if it has not.
  Outcome Changed(Document& document, ChangeKind kind, Content::Effect effect,
                  std::string assistant = {});

  // joint_edits.cc
  // A part of an ApplyUpdates, and what comes of it.
  struct Part {
    const UpdatePart* asked = nullptr;
    std::string user;
    std::string news;  // Of its update; empty also when it is refused.
    Outcome outcome;
    bool is_decided_before = false;  // Or nobody asks: nothing is kept of it.
  };
  Outcome Apply(const ApplyUpdates& command);
  Part Judge(DocId doc, const UpdatePart& asked, std::uint64_t bytes_before);
  std::optional<Outcome> RefusePart(DocId doc, const UpdatePart& asked, std::uint64_t bytes_before);
  std::optional<Outcome> RefuseNews(const Content& content, std::string_view news) const;
  void MergeParts(Document& document, std::vector<Part>& parts);
  std::string MergeWhatIsFound(const Document& document, std::vector<Part>& parts) const;
  std::string MergeWhatFits(const Content& content, std::vector<Part>& parts) const;
  void SettleDrafts(Document& document, const std::vector<Part>& parts);

  // suggestions.cc
  struct Range {
    TextSize begin;
    TextSize end;
  };
  struct OpenSuggestion {
    SuggestionId id;
    SuggestionRecord record;
    std::optional<Range> range;  // None: it no longer fits.
  };
  Outcome Apply(const AddSuggestions& command);
  Outcome Apply(const ResolveSuggestions& command);
  std::optional<SuggestionRecord> SuggestionAt(DocId doc, const SuggestionId& id) const;
  // With where it is now. Null when the Kv is broken.
  std::optional<OpenSuggestion> FindSuggestion(const Document& document,
                                               const SuggestionId& id) const;
  Outcome Accept(Document& document, std::vector<OpenSuggestion> wanted);
  void Resolve(Document& document, const SuggestionId& id, Resolution resolution);
  void DropSuggestions(Document& document);

  // drafts.cc
  Outcome Apply(const SaveDraft& command);
  Outcome Apply(const MergeDraft& command);
  Outcome Apply(const DropDraft& command);
  // The draft that a command means; null if there is none that the caller may see.
  const Draft* FindDraft(const Document& document, const std::string& user) const;
  // Null when the Kv is broken.
  std::optional<std::string> UpdateOf(const Document& document, const Draft& draft) const;
  // After an update of the caller's: a draft of which nothing is missing any more is merged.
  void MaybeSettleDraft(Document& document);
  void RemoveDraft(Document& document, const std::string& user);
  void DropDrafts(Document& document);
  void DropDraftsOf(const User& user);

  // contents.cc
  struct CachedContent {
    Content content;
    std::size_t bytes = 0;  // As counted in contents_bytes_.
    std::list<DocId>::iterator use;
  };
  // The current content. Null when the Kv is broken. Valid until the next call.
  Content* ContentOf(const Document& document) const;
  void NoteContentBytes(CachedContent& cached) const;
  // The next one to ask for it has it loaded.
  void DropCached(DocId doc) const;
  void TrimContents(DocId keep) const;
  std::optional<std::string> CheckpointBytes(char table, DocId doc,
                                             const Checkpoint& checkpoint) const;
  void PutCheckpoint(char table, DocId doc, std::uint64_t ordinal, std::string_view bytes);
  std::uint64_t WriterSeedOf(const Document& document) const;
  std::optional<Content> LoadContent(const Document& document, std::uint64_t ordinal) const;
  std::optional<VersionRecord> VersionAt(DocId doc, std::uint64_t ordinal) const;
  std::optional<VersionDelta> DeltaOf(DocId doc, std::uint64_t ordinal,
                                      const VersionRecord& version) const;
  // The newest visible version at or before `revision`; empty when it is no longer kept.
  // From that version to the newest. False if not all are retained.
  bool FollowVersions(const Document& document, std::uint64_t ordinal, Revision added,
                      Writing& writing) const;
  bool FollowMarks(const Document& document, const Content& content, Revision added,
                   Writing& writing) const;
  std::optional<std::uint64_t> OrdinalAt(const Document& document, Revision revision) const;
  const Document* DocumentOf(DocId doc) const;
  template <class Answer>
  auto AskContentAt(DocId doc, Revision revision, Answer answer) const
      -> std::optional<std::invoke_result_t<Answer, const Content&>>;
  void StoreVersion(Document& document, VersionRecord version, const VersionDelta& delta);
  void MaybeCheckpoint(Document& document, std::uint64_t cost_before);
  std::optional<Outcome> RefuseUnstorable(const Document& document) const;
  void DeleteCheckpoint(char table, DocId doc, const Checkpoint& checkpoint);
  void PruneHistory(Document& document);
  void DropContent(Document& document);
  void SweepDeletedContents();
  bool SweepArchive(DocId doc, Archive& archive);
  bool SweepCheckpoint(char table, DocId doc, std::vector<Checkpoint>& checkpoints);

  // archive.cc
  struct Sitting;
  std::optional<VersionRecord> ArchivedAt(DocId doc, std::uint64_t ordinal) const;
  std::optional<std::string> ArchivedUpdate(DocId doc, std::uint64_t ordinal,
                                            const VersionRecord& version) const;
  // The newest one that had ended by then; 0 if there is none.
  std::uint64_t NewestArchivedBy(const Document& document, Revision revision) const;
  // The one that the document was as of then; empty when that is not known.
  std::optional<std::uint64_t> ArchivedOrdinalAt(const Document& document, Revision revision) const;
  // Requires `ordinal` to be that of one that is shown, or the newest.
  std::optional<Content> LoadArchived(const Document& document, std::uint64_t ordinal) const;
  void ArchiveOldest(Document& document);
  std::optional<Sitting> LastSitting(const Document& document) const;
  static bool MaybeJoin(Sitting& sitting, const VersionRecord& next, const std::string& update);
  void StoreSitting(Document& document, Sitting& sitting);
  void MaybeCheckpointArchive(Document& document, std::uint64_t ordinal);
  void DropArchived(Document& document);

  // events.cc
  void Emit(EventBody body) { EmitAs(entry_.user, std::move(body)); }
  void EmitAs(std::string user, EventBody body);
  std::optional<EventBatch> StoreEvents();
  void PruneEvents();
  void LoadEvents();

  Kv& kv_;
  const Options options_;
  Applied applied_;
  Meta meta_;
  std::string why_unreadable_;
  std::uint64_t level_ = kLevelOldest;  // The highest of an entry so far.
  std::uint64_t writers_seed_ = 0;
  Digest digest_{0};
  mutable std::optional<Divergence> divergence_;
  mutable bool is_broken_ = false;  // Not even what is pending may be committed.
  bool has_pending_ = false;
  Entry entry_;
  // digests_[i % kDigestsRemembered] is of after entry i, for those applied since Load().
  std::vector<std::pair<Index, std::uint64_t>> digests_;

  std::map<std::string, User, std::less<>> users_;
  std::map<SessionId, Session> sessions_;
  std::unordered_map<DocId, Document> documents_;                // Alive; found by id only.
  std::map<std::string, DocId, std::less<>> documents_by_name_;  // The same ones.
  std::set<std::pair<Revision, DocId>> documents_by_change_;     // And by that of their content.
  SharedNames shared_names_;  // Who may see which of them; the names are those above.
  // How many of them each has made; nobody with none.
  std::map<std::string, std::size_t, std::less<>> documents_of_owner_;
  std::map<DocId, DocumentRecord> deleted_;
  std::set<std::pair<Revision, DocId>> deletions_;  // Of deleted_, oldest first.
  std::map<DocId, ContentHead> deleted_contents_;   // Still to be swept from the Kv.
  std::set<DocId> locked_;

  std::deque<std::pair<Revision, std::uint64_t>> events_;  // Kept batches and their bytes.
  std::uint64_t events_bytes_ = 0;

  mutable std::unordered_map<DocId, CachedContent> contents_;
  mutable std::list<DocId> content_uses_;  // Most recent first.
  mutable std::uint64_t contents_bytes_ = 0;
};

// The newest checkpoint at or before `ordinal`; the empty content before the first version else.
inline Checkpoint CheckpointFor(const std::vector<Checkpoint>& checkpoints, std::uint64_t ordinal) {
  Checkpoint found;
  for (const Checkpoint& checkpoint : checkpoints) {
    if (checkpoint.ordinal <= ordinal) found = checkpoint;
  }
  return found;
}

// The refusal of a command. `message`: what, why, what to do.
inline Outcome Refusal(Code code, std::string message) {
  return {.code = code, .message = std::move(message)};
}

}  // namespace coterie::state
