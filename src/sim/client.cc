#include "sim/client.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace coterie::sim {
namespace {

constexpr std::uint64_t kGiveUpAfterUs = 3'000'000;
constexpr std::uint64_t kAttemptUs = 400'000;
// Writers' editors have ids of their own, beside the machine's.
constexpr std::uint64_t kFirstEditor = 1'000'000;
constexpr std::size_t kListsWanted = 2;
constexpr std::size_t kLockedDocsWanted = 2;

}  // namespace

Client::Client(Neighbourhood& around, std::uint64_t number)
    : around_(around),
      number_(number),
      prng_(around.plan.seed * 7'919 + number),
      editor_(crdt::Client(kFirstEditor + number)) {
  home_ = around_.ids[prng_.Below(around_.ids.size())];
}

void Client::Start(Zeal zeal) {
  zeal_ = zeal;
  ThinkThenNext();
}

bool Client::IsReady() const { return !session_.IsNone() && lists_.size() >= kListsWanted; }

void Client::ThinkThenNext() {
  const bool is_reading = zeal_ == Zeal::kReading;
  const std::uint64_t think_us = is_reading ? around_.plan.reader_think_us : around_.plan.think_us;
  std::uint64_t delay_us = prng_.Between(1, 2 * think_us);
  if (!is_reading && !is_calm_) delay_us += RestOfTheNight();
  around_.schedule.After(delay_us, [this] { Next(); });
}

// They do not all wake at once.
std::uint64_t Client::RestOfTheNight() {
  const Plan& plan = around_.plan;
  if (plan.rest_us == 0) return 0;
  const std::uint64_t hour_us = around_.schedule.now_us() % (plan.shift_us + plan.rest_us);
  if (hour_us < plan.shift_us) return 0;
  const std::uint64_t left_us = plan.shift_us + plan.rest_us - hour_us;
  return left_us / 2 + prng_.Below(left_us / 2 + 1);
}

void Client::Next() {
  if (is_stopped_) return;
  if (zeal_ == Zeal::kReading) return ReadOrLook();
  if (session_.IsNone()) return Login();
  if (zeal_ == Zeal::kReady) {
    if (!IsReady()) return LookUp();
    if (wanted_word_) return Append();
    if (wanted_news_) return AskForNews();
    return ThinkThenNext();
  }
  if (stream_at_.IsNone() || around_.server(stream_at_).life() != stream_life_) {
    is_joined_ = false;
  }
  if (!is_joined_ || prng_.Chance(1, 40)) return Join();
  if (lists_.size() < kListsWanted || locked_docs_.size() < kLockedDocsWanted) return LookUp();
  const bool is_curious = around_.plan.Has(Fault::kUpgrade) && prng_.Chance(1, 5);
  if (is_curious || wanted_news_) return AskForNews();
  const std::uint64_t dice = prng_.Below(10);
  if (dice < (around_.plan.has_joint_edits ? 1 : 3)) return Append();
  if (dice < 5) return around_.plan.has_yjs_editors ? TypeInEditor() : Append();
  if (dice < 7) return TakeLock();
  ReadSomething();
}

// --- Sessions ---

std::string Client::user() const { return absl::StrCat("user", number_); }

void Client::Login() {
  Propose(state::Login{.user = user(),
                       .create_user = true,
                       .create_as_admin = number_ == 1,
                       .token_hash = std::string(32, static_cast<char>('a' + number_ % 26)),
                       .lifetime_ms = 1'000'000'000},
          [this](const std::optional<state::Outcome>& outcome) {
            if (outcome && outcome->ok()) session_ = outcome->session;
            ThinkThenNext();
          });
}

// Joins, or comes back at another server.
void Client::Join() {
  if (prng_.Chance(1, 2)) MoveHome();
  Propose(state::Attach{.lease_ms = kLeaseMs},
          [this](const std::optional<state::Outcome>& outcome) {
            if (outcome && outcome->ok()) {
              is_joined_ = true;
              OpenStream();
            }
            ThinkThenNext();
          });
}

void Client::OpenStream() {
  if (!stream_at_.IsNone()) {
    Server& old = around_.server(stream_at_);
    if (old.IsUp() && old.life() == stream_life_) {
      old.replica()->presence().StreamClosed(session_);
    }
  }
  stream_at_ = NodeId();
  if (!home().IsUp()) return;
  home().replica()->presence().StreamOpened(session_);
  stream_at_ = home_;
  stream_life_ = home().life();
}

NodeId Client::StreamAt() const {
  if (stream_at_.IsNone() || !is_joined_) return {};
  const Server& server = around_.server(stream_at_);
  return server.IsUp() && server.life() == stream_life_ ? stream_at_ : NodeId();
}

void Client::LookUp() {
  const std::size_t number = documents_asked_for_++ % (kListsWanted + kLockedDocsWanted);
  const bool is_list = number < kListsWanted;
  const std::string name = absl::StrCat(is_list ? "list" : "locked", number);
  const auto keep = [this, is_list](DocId doc) {
    std::vector<DocId>& docs = is_list ? lists_ : locked_docs_;
    if (std::ranges::count(docs, doc) == 0) docs.push_back(doc);
  };
  Propose(state::CreateDocument{.name = name, .everyone = state::DocumentRole::kEditor},
          [this, name, keep](const std::optional<state::Outcome>& outcome) {
            if (outcome && outcome->ok()) keep(outcome->doc);
            if (!outcome || outcome->code != state::Code::kAlreadyExists) return ThinkThenNext();
            // Somebody else made it. Any state that knows it will do.
            if (home().IsUp()) {
              const auto found = home().replica()->machine().FindDocumentByName(name);
              if (found) keep(found->id);
            }
            ThinkThenNext();
          });
}

// --- Work ---

DocId Client::AnyDoc(const std::vector<DocId>& docs) { return docs[prng_.Below(docs.size())]; }

void Client::Append() {
  const DocId doc = AnyDoc(lists_);
  const std::string word = absl::StrCat("c", number_, "w", ++words_);
  Propose(state::Append{.doc = doc, .text = word + ";"},
          [this, doc, word](const std::optional<state::Outcome>& outcome) {
            const bool is_done = outcome && outcome->ok();
            around_.history.Add(Word{.doc = doc, .word = word, .is_acknowledged = is_done});
            if (is_done && wanted_word_) std::exchange(wanted_word_, nullptr)();
            ThinkThenNext();
          });
}

// Half of the time it has not heard lately of what others wrote. Now and then it is offline: what
// it types is kept as its draft, which is merged when it says so, or when what it types later, all
// of it, has come.
void Client::TypeInEditor() {
  const DocId doc = AnyDoc(lists_);
  if (prng_.Chance(1, 10)) return MergeDraft(doc);
  if (prng_.Chance(1, 2) && home().IsUp()) editor_.Sync(home().replica()->machine(), doc);
  const std::string word = absl::StrCat("c", number_, "w", ++words_);
  const Editor::Typed typed = editor_.Type(doc, word, prng_);
  const bool is_draft = prng_.Chance(1, 5);
  state::CommandBody body = state::ApplyUpdate{.doc = doc, .update = typed.update};
  if (is_draft) body = state::SaveDraft{.doc = doc, .update = typed.update};
  Propose(std::move(body), [this, doc, word, is_draft,
                            upto = typed.upto](const std::optional<state::Outcome>& outcome) {
    const bool is_done = outcome && outcome->ok();
    if (is_done && !is_draft) editor_.OnSaved(doc, upto);
    around_.history.Add(
        Word{.doc = doc, .word = word, .is_acknowledged = is_done, .is_draft = is_draft});
    ThinkThenNext();
  });
}

void Client::MergeDraft(DocId doc) {
  Propose(state::MergeDraft{.doc = doc, .user = user()},
          [this](const std::optional<state::Outcome>&) { ThinkThenNext(); });
}

void Client::AppendOnce(std::function<void()> done) { wanted_word_ = std::move(done); }

void Client::TakeLock() {
  const DocId doc = AnyDoc(locked_docs_);
  const std::uint64_t ttl_ms = prng_.Chance(1, 2) ? 0 : prng_.Between(300, 2'000);
  Propose(state::Lock{.doc = doc, .ttl_ms = ttl_ms},
          [this, doc](const std::optional<state::Outcome>& outcome) {
            if (!outcome || !outcome->ok()) return ThinkThenNext();
            locked_ = doc;
            token_ = outcome->token;
            // Sometimes it falls asleep, and wakes believing that it holds the lock.
            const std::uint64_t pause_us =
                prng_.Chance(1, 5) ? prng_.Between(500'000, 3'000'000) : prng_.Below(50'000);
            around_.schedule.After(pause_us, [this] { WriteUnderLock(2); });
          });
}

void Client::WriteUnderLock(int writes_left) {
  if (writes_left == 0) return GiveLockBack();
  const std::string text =
      absl::StrCat("token ", token_.value(), " client ", number_, " ", ++words_);
  Propose(state::Write{.doc = locked_, .token = token_, .text = text},
          [this, writes_left](const std::optional<state::Outcome>& outcome) {
            if (!outcome || !outcome->ok()) return GiveLockBack();
            WriteUnderLock(writes_left - 1);
          });
}

void Client::GiveLockBack() {
  Propose(state::Unlock{.doc = locked_, .token = token_},
          [this](const std::optional<state::Outcome>&) { ThinkThenNext(); });
}

// What only upgraded servers offer, and refuse as long as some member could not read it.
void Client::AskForNews() {
  const DocId doc = AnyDoc(lists_);
  state::CommandBody body =
      state::EditDelta{.doc = doc, .steps = {{.length = 1, .attributes = {{"bold", "true"}}}}};
  if (prng_.Chance(1, 2)) {
    body = state::AddSuggestions{.doc = doc, .author = "sim", .changes = {{.after = "x"}}};
  }
  for (std::size_t tries = 0; home().IsOld() && tries < around_.ids.size(); ++tries) MoveHome();
  if (home().IsOld()) return ThinkThenNext();
  Propose(std::move(body), [this](const std::optional<state::Outcome>& outcome) {
    if (outcome) {
      around_.history.CountNews(Asked::kDone);
      if (wanted_news_) std::exchange(wanted_news_, nullptr)();
    }
    ThinkThenNext();
  });
}

void Client::ReadSomething() {
  const bool is_list = prng_.Chance(1, 2);
  Read(AnyDoc(is_list ? lists_ : locked_docs_), [this] { ThinkThenNext(); });
}

// Of the documents that others have made.
void Client::ReadOrLook() {
  if (prng_.Chance(1, 10)) MoveHome();
  if (!lists_.empty()) return Read(AnyDoc(lists_), [this] { ThinkThenNext(); });
  if (home().IsUp()) {
    for (const state::DocumentView& document : home().replica()->machine().Documents()) {
      lists_.push_back(document.id);
    }
  }
  ThinkThenNext();
}

// --- Calls ---

void Client::Propose(state::CommandBody body, Then then) {
  const bool has_session = !session_.IsNone();
  around_.trace.Note(around_.schedule.now_us(), "call", {number_, sequence_ + 1, body.index()});
  state::Command command{.session = session_, .body = std::move(body)};
  if (has_session) {
    const std::uint64_t sequence = ++sequence_;
    command.request = {.client = ClientId(number_), .sequence = sequence, .acked_below = sequence};
  }
  const auto shared = std::make_shared<const state::Command>(std::move(command));
  const std::uint64_t called_us = around_.schedule.now_us();
  const Revision committed_at_call = around_.ledger.highest_commit();
  const auto end = [this, then, called_us,
                    committed_at_call](const std::optional<state::Outcome>& outcome) {
    call_.reset();
    around_.trace.Note(around_.schedule.now_us(), "answer",
                       {number_, outcome ? outcome->revision.value() : 0,
                        outcome ? static_cast<std::uint64_t>(outcome->code) : 99});
    // A wall clock that jumps ends a login before its time.
    if (outcome && outcome->code == state::Code::kUnauthenticated) session_ = SessionId();
    if (outcome) {
      around_.history.Add(Update{.client = number_,
                                 .called_us = called_us,
                                 .returned_us = around_.schedule.now_us(),
                                 .committed_at_call = committed_at_call,
                                 .committed_at_return = around_.ledger.highest_commit(),
                                 .outcome = *outcome});
    }
    then(outcome);
  };
  Begin({.attempt =
             [this, shared, end, has_session] {
               const std::uint64_t attempt = call_->attempt_number;
               ProposeAtHome(*shared, [this, attempt, end,
                                       has_session](const absl::StatusOr<state::Outcome>& got) {
                 AnswerLater(attempt, [this, got, end, has_session] {
                   if (got.ok()) return end(*got);
                   if (got.status().GetPayload(node::kUpgradingPayload)) {
                     around_.history.CountNews(Asked::kRefused);
                   }
                   // Who is no member, or fenced, sends everybody away.
                   if (absl::IsFailedPrecondition(got.status())) MoveHome();
                   // Without a session a second try would be a second command.
                   if (!has_session) return end(std::nullopt);
                   RetryLater();
                 });
               });
             },
         .give_up = [end] { end(std::nullopt); }});
}

// What is typed goes with what others type, or alone, and in either way when it is tried again.
void Client::ProposeAtHome(const state::Command& command, const Rooms::Done& done) {
  const absl::Duration timeout = absl::Microseconds(kAttemptUs);
  const auto* typed = std::get_if<state::ApplyUpdate>(&command.body);
  if (typed != nullptr && around_.plan.has_joint_edits && prng_.Chance(4, 5)) {
    state::UpdatePart part{
        .session = command.session, .request = command.request, .update = typed->update};
    return around_.rooms.Write(home(), typed->doc, std::move(part), timeout, done);
  }
  home().replica()->Propose(command, timeout, done);
  home().Wake();
}

void Client::Read(DocId doc, std::function<void()> then) {
  const auto read = std::make_shared<TextRead>(TextRead{.client = number_,
                                                        .called_us = around_.schedule.now_us(),
                                                        .is_stale_allowed = prng_.Chance(1, 5),
                                                        .doc = doc});
  const auto end = [this, then = std::move(then)] {
    call_.reset();
    then();
  };
  Begin({.attempt =
             [this, read, end] {
               const std::uint64_t attempt = call_->attempt_number;
               const auto text = std::make_shared<std::string>();
               home().replica()->Read(
                   read->is_stale_allowed ? node::Consistency::kStale
                                          : node::Consistency::kLinearizable,
                   absl::Microseconds(kAttemptUs),
                   [text, doc = read->doc](const state::Machine& machine) {
                     *text = machine.TextAt(doc, Revision()).value_or("");
                   },
                   [this, attempt, read, text, end](const absl::StatusOr<Revision>& got) {
                     AnswerLater(attempt, [this, read, text, got, end] {
                       if (!got.ok()) return RetryLater();
                       read->revision = *got;
                       read->text = *text;
                       read->returned_us = around_.schedule.now_us();
                       around_.history.Add(*read);
                       end();
                     });
                   });
               home().Wake();
             },
         .give_up = end});
}

void Client::Begin(Call call) {
  call.deadline_us = around_.schedule.now_us() + kGiveUpAfterUs;
  call_ = std::move(call);
  Attempt();
}

void Client::Attempt() {
  if (!call_) return;
  if (around_.schedule.now_us() >= call_->deadline_us) {
    const auto give_up = call_->give_up;
    return give_up();
  }
  const std::uint64_t attempt = call_->attempt_number = next_attempt_++;
  around_.trace.Note(around_.schedule.now_us(), "attempt", {number_, home_.value()});
  if (!home().IsUp()) return RetryLater();
  around_.schedule.After(kAttemptUs, [this, attempt] {
    if (call_ && call_->attempt_number == attempt) RetryLater();  // Nobody answers.
  });
  const auto run = call_->attempt;  // It may end the call, and itself with it.
  run();
}

void Client::AnswerLater(std::uint64_t attempt, std::function<void()> handle) {
  // The connection may break with the answer on it.
  if (!is_calm_ && prng_.Below(1'000) < around_.plan.loss_per_mille / 4) return;
  around_.schedule.After(prng_.Below(around_.plan.latency_us + 1),
                         [this, attempt, handle = std::move(handle)] {
                           if (call_ && call_->attempt_number == attempt) handle();
                         });
}

void Client::RetryLater() {
  const std::uint64_t attempt = call_->attempt_number = next_attempt_++;
  MoveHome();
  around_.schedule.After(prng_.Between(5'000, 50'000), [this, attempt] {
    if (call_ && call_->attempt_number == attempt) Attempt();
  });
}

void Client::MoveHome() {
  home_ = around_.ids[prng_.Below(around_.ids.size())];
  if (!is_calm_) return;
  // As the smart client does: not one that says it knows no leader, if another says it does.
  for (const NodeId id : around_.ids) {
    const Server& server = around_.server(id);
    if (server.IsUp() && !server.replica()->status().leader.IsNone()) home_ = id;
  }
}

}  // namespace coterie::sim
