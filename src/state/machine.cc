#include "state/machine.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "state/command_check.h"
#include "state/machine_impl.h"

namespace coterie::state {

// --- Applying ---

Machine::Impl::Impl(Kv& kv, Options options)
    : kv_(kv), options_(options), digests_(kDigestsRemembered) {
  Load();
  if (is_broken_) why_unreadable_ = divergence_->what;
}

ApplyResult Machine::Impl::ApplyCommand(Term term, Index index, std::string_view payload) {
  if (divergence_) return {};
  CHECK(index == applied_.index.Next());
  std::optional<StampedCommand> decoded = DecodeStampedCommand(payload);
  if (!decoded) {
    // Not applied, and not counted as applied: a newer program can go on from here.
    divergence_ = {.at = index,
                   .what =
                       "a committed entry does not decode; is this program older "
                       "than the one that proposed it?"};
    return {};
  }
  BeginEntry(index, payload);
  NoteLevel(decoded->stamp.level);
  meta_.time_ms = std::max(meta_.time_ms, decoded->stamp.time_ms);
  ApplyResult result{.stamp = decoded->stamp};
  result.outcome = Decide(decoded->command);
  result.events = StoreEvents();
  result.sessions = std::move(entry_.sessions);
  FinishEntry(term, index);
  if (is_broken_) return {};
  return result;
}

void Machine::Impl::ApplyOther(Term term, Index index, std::string_view configuration) {
  if (divergence_) return;
  CHECK(index == applied_.index.Next());
  BeginEntry(index, configuration);
  if (!configuration.empty()) {
    applied_.configuration = configuration;
    applied_.configuration_index = index;
  }
  FinishEntry(term, index);
}

void Machine::Impl::BeginEntry(Index index, std::string_view payload) {
  has_pending_ = true;
  digest_.Add(index.value());
  digest_.Add(payload);
  entry_ = {.revision = index};
}

void Machine::Impl::NoteLevel(std::uint64_t level) {
  entry_.level = level;
  if (level <= level_) return;
  level_ = level;
  Put(kLevelKey, codec::EncodeRecord(level));
}

void Machine::Impl::FinishEntry(Term term, Index index) {
  SweepDeletedContents();
  applied_.term = term;
  applied_.index = index;
  meta_.digest = digest_.value();
  digests_[index.value() % kDigestsRemembered] = {index, meta_.digest};
}

// Control flow of a command: who asks, was it asked before, may it be, what comes of it.
Outcome Machine::Impl::Decide(const Command& command) {
  Outcome outcome;
  Session* session = nullptr;
  if (!command.session.IsNone()) {
    session = ActAs(command.session);
    if (session == nullptr) return NoSession();
  }
  const bool is_once = session != nullptr && command.request.sequence > 0;
  if (is_once && !command.request.client.IsNone()) {
    if (std::optional<Outcome> before = AnswerFromBefore(*session, command.request)) return *before;
  }
  std::optional<Outcome> refusal = Refuse(command);
  outcome = refusal ? std::move(*refusal) : Dispatch(command);
  outcome.revision = entry_.revision;
  if (is_once && !command.request.client.IsNone()) Remember(command.request, outcome);
  return outcome;
}

Outcome Machine::Impl::Dispatch(const Command& command) {
  return std::visit([this](const auto& body) { return Apply(body); }, command.body);
}

// From now on the session is who asks. Null, and nothing is changed, if it is over.
Session* Machine::Impl::ActAs(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.record.expires_at_ms <= meta_.time_ms) {
    return nullptr;
  }
  entry_.session = id;
  entry_.user = found->second.record.user;
  entry_.is_admin = UserOf(entry_.user)->record.is_admin;
  return &found->second;
}

Outcome Machine::Impl::NoSession() const {
  Outcome outcome =
      Refusal(Code::kUnauthenticated, "This session is over or was never there; log in again.");
  outcome.revision = entry_.revision;
  return outcome;
}

// What only the cluster itself, or only a session, may ask for.
std::optional<Outcome> Machine::Impl::Refuse(const Command& command) {
  if (std::optional<Outcome> refusal = RefuseMalformed(command)) return refusal;
  const bool is_cluster_only = std::holds_alternative<ExpireSession>(command.body) ||
                               std::holds_alternative<ExpireLock>(command.body) ||
                               std::holds_alternative<CheckDigest>(command.body) ||
                               std::holds_alternative<ApplyUpdates>(command.body);
  const bool is_for_both = std::holds_alternative<Login>(command.body) ||
                           std::holds_alternative<Leave>(command.body) ||
                           (std::holds_alternative<CreateUser>(command.body) && users_.empty());
  if (is_cluster_only && !command.session.IsNone()) {
    return Refusal(Code::kPermissionDenied, "Only the cluster itself does this.");
  }
  if (!is_cluster_only && !is_for_both && command.session.IsNone()) {
    return Refusal(Code::kUnauthenticated, "This needs a session; log in first.");
  }
  return std::nullopt;
}

Outcome Machine::Impl::Apply(const CheckDigest& command) {
  if (IsMutant(38)) return {};
  const auto& [index, digest] = digests_[command.at.value() % kDigestsRemembered];
  if (command.at.IsNone() || index != command.at || digest == command.digest) return {};
  // What this replica thinks of itself is no part of the replicated state, nor of the digest.
  divergence_ = {.at = command.at,
                 .what =
                     "the digest of this node's state differs from the leader's; replace this "
                     "node: remove it, empty its data folder, add it again"};
  kv_.Put(kFaultKey, codec::EncodeRecord(*divergence_));
  return {};
}

void Machine::Impl::Put(std::string_view key, std::string_view value) {
  digest_.Add(key);
  digest_.Add(value);
  kv_.Put(key, value);
}

void Machine::Impl::Delete(std::string_view key) {
  digest_.Add(key);
  kv_.Delete(key);
}

void Machine::Impl::Break(std::string_view what) const {
  is_broken_ = true;
  if (!divergence_) divergence_ = {.at = entry_.revision, .what = std::string(what)};
}

void Machine::Impl::Commit() {
  if (is_broken_ || !has_pending_) return;
  if (IsMutant(15)) kv_.Commit();  // What was done, without how far.
  kv_.Put(kAppliedKey, EncodeApplied(applied_));
  kv_.Put(kMetaKey, codec::EncodeRecord(meta_));
  kv_.Commit();
  has_pending_ = false;
}

// --- Loading ---

template <class Record>
void Machine::Impl::LoadTable(char table,
                              void (Impl::*add)(std::string_view key, Record&& record)) {
  const std::string first(1, table);
  const std::string end(1, static_cast<char>(table + 1));
  kv_.Scan(first, end, [&](std::string_view key, std::string_view value) {
    std::optional<Record> record = codec::DecodeRecord<Record>(value);
    if (!record) {
      Break(std::string("a stored record of table ") + table + " does not decode");
      return false;
    }
    (this->*add)(key, std::move(*record));
    return true;
  });
}

void Machine::Impl::Load() {
  if (const std::optional<std::string> value = kv_.Get(kAppliedKey)) {
    std::optional<Applied> applied = DecodeApplied(*value);
    if (!applied) return Break("the stored applied position does not decode");
    applied_ = std::move(*applied);
  }
  entry_.revision = applied_.index;
  if (const std::optional<std::string> value = kv_.Get(kMetaKey)) {
    const std::optional<Meta> meta = codec::DecodeRecord<Meta>(*value);
    if (!meta) return Break("the stored digest and time do not decode");
    meta_ = *meta;
  }
  if (const std::optional<std::string> value = kv_.Get(kFaultKey)) {
    divergence_ = codec::DecodeRecord<Divergence>(*value);
    if (!divergence_) return Break("the stored fault does not decode");
  }
  if (const std::optional<std::string> value = kv_.Get(kLevelKey)) {
    const std::optional<std::uint64_t> level = codec::DecodeRecord<std::uint64_t>(*value);
    if (!level || *level > kLevelNewest) return Break("it was written by a newer program");
    level_ = *level;
  }
  if (const std::optional<std::string> value = kv_.Get(kWritersKey)) {
    const std::optional<std::uint64_t> seed = codec::DecodeRecord<std::uint64_t>(*value);
    if (!seed) return Break("the stored seed of the writers does not decode");
    writers_seed_ = *seed;
  }
  digest_ = Digest(meta_.digest);
  digests_[applied_.index.value() % kDigestsRemembered] = {applied_.index, meta_.digest};
  LoadTable('u', &Impl::LoadUser);
  LoadTable('s', &Impl::LoadSession);
  LoadTable('o', &Impl::LoadOutcome);
  LoadTable('c', &Impl::LoadEvictedClient);
  LoadTable('d', &Impl::LoadDocument);
  LoadTable('h', &Impl::LoadContentHead);
  LoadTable('l', &Impl::LoadLock);
  LoadTable('g', &Impl::LoadSuggestion);
  LoadTable('r', &Impl::LoadDraft);
  LoadEvents();
}

void Machine::Impl::LoadUser(std::string_view /*key*/, UserRecord&& record) {
  std::string name = record.name;
  users_[std::move(name)].record = std::move(record);
}

void Machine::Impl::LoadSession(std::string_view /*key*/, SessionRecord&& record) {
  const auto user = users_.find(record.user);
  if (user == users_.end()) return Break("a stored session belongs to no user");
  user->second.sessions.insert(record.id);
  const SessionId id = record.id;
  sessions_[id].record = std::move(record);
}

void Machine::Impl::LoadOutcome(std::string_view key, OutcomeRecord&& record) {
  const auto session = sessions_.find(SessionId(NumberInKey(key, 0)));
  if (session == sessions_.end()) return Break("a stored outcome belongs to no session");
  Client& client = session->second.clients[ClientId(NumberInKey(key, 1))];
  client.last_used = std::max(client.last_used, record.outcome.revision);
  client.acked_below = std::max(client.acked_below, record.acked_below);
  // As on a node that was not restarted.
  if (!IsMutant(38)) client.sequences.push_back(NumberInKey(key, 2));  // Ascending, like the keys.
}

void Machine::Impl::LoadEvictedClient(std::string_view key, EvictedClient&& record) {
  const auto session = sessions_.find(SessionId(NumberInKey(key, 0)));
  if (session == sessions_.end()) return Break("a stored client belongs to no session");
  session->second.evicted[ClientId(NumberInKey(key, 1))] = record;
}

void Machine::Impl::LoadDocument(std::string_view key, DocumentRecord&& record) {
  const DocId id(NumberInKey(key, 0));
  if (!record.deleted.IsNone()) {
    deletions_.emplace(record.deleted, id);
    deleted_[id] = std::move(record);
    return;
  }
  const auto name = documents_by_name_.insert_or_assign(record.name, id).first;
  shared_names_.Add(name->first, record);
  ++documents_of_owner_[record.owner];
  Document& document = documents_[id];
  document.id = id;
  document.record = std::move(record);
}

void Machine::Impl::LoadContentHead(std::string_view key, ContentHead&& record) {
  const DocId id(NumberInKey(key, 0));
  const auto found = documents_.find(id);
  if (found == documents_.end()) {
    deleted_contents_[id] = std::move(record);
  } else {
    documents_by_change_.emplace(record.revision, id);
    found->second.head = std::move(record);
  }
}

void Machine::Impl::LoadLock(std::string_view key, LockRecord&& record) {
  const auto document = documents_.find(DocId(NumberInKey(key, 0)));
  const auto session = sessions_.find(record.session);
  if (document == documents_.end() || session == sessions_.end()) {
    return Break("a stored lock belongs to no document or no session");
  }
  session->second.locks.insert(document->first);
  locked_.insert(document->first);
  document->second.lock = std::move(record);
}

void Machine::Impl::LoadSuggestion(std::string_view key, SuggestionRecord&& /*record*/) {
  const auto document = documents_.find(DocId(NumberInKey(key, 0)));
  if (document == documents_.end()) return Break("a stored suggestion belongs to no document");
  document->second.suggestions.insert(
      {.batch = Revision(NumberInKey(key, 1)), .ordinal = NumberInKey(key, 2)});
}

void Machine::Impl::LoadDraft(std::string_view key, DraftRecord&& record) {
  const auto document = documents_.find(DocId(NumberInKey(key, 0)));
  const auto user = users_.find(record.user);
  if (document == documents_.end() || user == users_.end()) {
    return Break("a stored draft belongs to no document or no user");
  }
  user->second.drafts.insert(document->first);
  Draft& draft = document->second.drafts[user->first];
  draft = {.id = Revision(NumberInKey(key, 1)), .record = std::move(record)};
}

// --- Invariants ---

void Machine::Impl::CheckInvariants() const {
  CHECK(documents_.size() == documents_by_name_.size());
  CHECK(documents_by_change_.size() <= documents_.size());
  CHECK(documents_of_owner_.size() <= documents_.size());
  CHECK(deleted_.size() == deletions_.size());
  CHECK(locked_.size() <= documents_.size());
  CHECK(applied_.configuration_index <= applied_.index);
  CHECK(meta_.events_pruned_through <= applied_.index);
  CHECK(events_.empty() || events_.front().first > meta_.events_pruned_through);
  CHECK(events_.empty() || events_.back().first <= applied_.index);
  CHECK(events_.size() <= std::max<std::size_t>(options_.events_retained_max, 1));
  CHECK(contents_.size() == content_uses_.size());
}

std::string Machine::Impl::DumpMirrors() const {
  ByteWriter out;
  codec::Put(out, applied_);
  codec::Put(out, meta_);
  out.Varint(level_);
  out.Varint(writers_seed_);
  for (const auto& [name, user] : users_) {
    codec::Put(out, user.record);
    for (const SessionId id : user.sessions) out.Id(id);
    for (const DocId doc : user.drafts) out.Id(doc);
  }
  for (const auto& [id, session] : sessions_) {
    codec::Put(out, session.record);
    for (const auto& [client_id, client] : session.clients) {
      out.Id(client_id);
      out.Id(client.last_used);
      out.Varint(client.acked_below);
      codec::Put(out, client.sequences);
    }
    for (const auto& [client_id, record] : session.evicted) {
      CHECK(session.clients.count(client_id) == 0);
      out.Id(client_id);
      codec::Put(out, record);
    }
    for (const DocId doc : session.locks) out.Id(doc);
  }
  for (const auto& [name, id] : documents_by_name_) {
    const Document& document = documents_.at(id);
    CHECK(document.record.name == name);
    CHECK(document.lock.has_value() == (locked_.count(id) == 1));
    out.Id(id);
    codec::Put(out, document.record);
    codec::Put(out, document.head);
    out.U8(document.lock ? 1 : 0);
    if (document.lock) codec::Put(out, *document.lock);
    for (const SuggestionId& suggestion : document.suggestions) {
      out.Id(suggestion.batch);
      out.Varint(suggestion.ordinal);
    }
    for (const auto& [user, draft] : document.drafts) {
      CHECK(user == draft.record.user && users_.find(user)->second.drafts.count(id) == 1);
      out.Id(draft.id);
      codec::Put(out, draft.record);
    }
  }
  for (const auto& [owner, count] : documents_of_owner_) {
    out.Bytes(owner);
    out.Varint(count);
  }
  for (const auto& [id, record] : deleted_) {
    out.Id(id);
    codec::Put(out, record);
  }
  for (const auto& [id, head] : deleted_contents_) {
    out.Id(id);
    codec::Put(out, head);
  }
  for (const auto& [revision, size_bytes] : events_) {
    out.Id(revision);
    out.Varint(size_bytes);
  }
  out.Varint(events_bytes_);
  return out.Take();
}

void Machine::Impl::CheckInvariantsDeep() const {
  CheckInvariants();
  if (is_broken_) return;
  CHECK(!has_pending_);
  const Impl reloaded(kv_, options_);
  CHECK(!reloaded.is_broken_);
  CHECK(reloaded.DumpMirrors() == DumpMirrors());
  CHECK(reloaded.shared_names_ == shared_names_);
  CHECK(reloaded.documents_by_change_ == documents_by_change_);
  for (const auto& [name, id] : documents_by_name_) {
    const Document& document = documents_.at(id);
    const std::optional<Content> stored = LoadContent(document, document.head.ordinal);
    CHECK(stored.has_value());
    stored->CheckInvariants();
    CHECK(stored->size() == document.head.size);
    const auto cached = contents_.find(id);
    if (cached == contents_.end()) continue;
    cached->second.content.CheckInvariants();
    CHECK(cached->second.content.ToString() == stored->ToString());
    CHECK(cached->second.content.Encode() == stored->Encode());
  }
}

// --- The public face ---

std::string EncodeApplied(const Applied& applied) { return codec::EncodeRecord(applied); }

std::optional<Applied> DecodeApplied(std::string_view value) {
  return codec::DecodeRecord<Applied>(value);
}

Machine::Machine(Kv& kv, Options options) : impl_(std::make_unique<Impl>(kv, options)) {}
Machine::~Machine() = default;

ApplyResult Machine::ApplyCommand(Term term, Index index, std::string_view payload) {
  return impl_->ApplyCommand(term, index, payload);
}
void Machine::ApplyNoop(Term term, Index index) { impl_->ApplyOther(term, index, {}); }
void Machine::ApplyConfiguration(Term term, Index index, std::string_view configuration) {
  impl_->ApplyOther(term, index, configuration);
}
void Machine::Commit() { impl_->Commit(); }
void Machine::BeginAnew(const Beginning& beginning) { impl_->BeginAnew(beginning); }

const Applied& Machine::applied() const { return impl_->applied(); }
const std::string& Machine::why_unreadable() const { return impl_->why_unreadable(); }
std::uint64_t Machine::level() const { return impl_->level(); }
std::uint64_t Machine::time_ms() const { return impl_->meta().time_ms; }
std::uint64_t Machine::digest() const { return impl_->meta().digest; }
const std::optional<Divergence>& Machine::divergence() const { return impl_->divergence(); }

bool Machine::is_secure() const { return impl_->meta().is_secure; }
std::optional<UserView> Machine::FindUser(std::string_view name) const {
  return impl_->FindUser(name);
}
std::vector<UserView> Machine::Users() const { return impl_->Users(); }
std::optional<SessionView> Machine::FindSession(SessionId id) const {
  return impl_->FindSession(id);
}
std::vector<SessionView> Machine::Sessions() const { return impl_->Sessions(); }
std::optional<DocumentView> Machine::FindDocument(DocId id) const {
  return impl_->FindDocument(id);
}
std::optional<DocumentView> Machine::FindDocumentByName(std::string_view name) const {
  return impl_->FindDocumentByName(name);
}
std::vector<DocumentView> Machine::Documents() const { return impl_->Documents(); }
DocumentPage Machine::DocumentsByName(std::string_view user, std::string_view after_name,
                                      const ListLimits& limits) const {
  return impl_->DocumentsByName(user, after_name, limits);
}
DocumentPage Machine::DocumentsByChange(std::string_view user, Revision before,
                                        const ListLimits& limits) const {
  return impl_->DocumentsByChange(user, before, limits);
}
DocumentRole Machine::RoleOf(std::string_view user, DocId doc) const {
  return impl_->RoleOf(user, doc);
}
std::optional<std::string> Machine::TextAt(DocId doc, Revision revision) const {
  return impl_->TextAt(doc, revision);
}
std::optional<std::string> Machine::TextWithEmbeds(DocId doc) const {
  return impl_->TextWithEmbeds(doc);
}
std::optional<Reading> Machine::ReadingAt(DocId doc, Revision revision,
                                          std::string_view root) const {
  return impl_->ReadingAt(doc, revision, root);
}
std::optional<std::string> Machine::UpdateAt(DocId doc, Revision revision,
                                             const crdt::StateVector& known) const {
  return impl_->UpdateAt(doc, revision, known);
}
std::vector<VersionView> Machine::Versions(DocId doc, Revision before,
                                           std::size_t count_max) const {
  return impl_->Versions(doc, before, count_max);
}
std::vector<LockView> Machine::Locks() const { return impl_->Locks(); }
std::size_t Machine::OpenSuggestionCount(DocId doc, Revision batch) const {
  return impl_->OpenSuggestionCount(doc, batch);
}
std::vector<SuggestionView> Machine::Suggestions(DocId doc) const {
  return impl_->Suggestions(doc);
}
std::vector<DraftView> Machine::Drafts(DocId doc) const { return impl_->Drafts(doc); }
std::optional<std::string> Machine::DraftUpdate(DocId doc, std::string_view user) const {
  return impl_->DraftUpdate(doc, user);
}
std::string Machine::TextRootOf(DocId doc) const { return impl_->TextRootOf(doc); }
std::optional<Writing> Machine::Follow(DocId doc, Writing writing, Revision added) const {
  return impl_->Follow(doc, std::move(writing), added);
}
std::vector<EventBatch> Machine::EventsAfter(Revision after, std::size_t batches_max,
                                             std::size_t bytes_max) const {
  return impl_->EventsAfter(after, batches_max, bytes_max);
}
Revision Machine::oldest_event_revision() const { return impl_->oldest_event_revision(); }
void Machine::CheckInvariants() const { impl_->CheckInvariants(); }
void Machine::CheckInvariantsDeep() const { impl_->CheckInvariantsDeep(); }

}  // namespace coterie::state
