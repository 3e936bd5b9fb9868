#include "sim/run.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "raft/testing/describe.h"
#include "sim/calamity.h"
#include "sim/client.h"
#include "sim/drill.h"
#include "sim/history.h"
#include "sim/ledger.h"
#include "sim/nemesis.h"
#include "sim/network.h"
#include "sim/schedule.h"
#include "sim/server.h"
#include "sim/storm.h"
#include "sim/subscriber.h"
#include "sim/trace.h"
#include "sim/violation.h"
#include "sim/watch.h"

namespace coterie::sim {
namespace {

constexpr std::uint64_t kStepUs = 20'000;
constexpr std::uint64_t kSubscribers = 2;
// Guarantee 10, in election timeouts.
constexpr std::uint64_t kRecoveryTimeoutsMax = 10;
// So long nothing is acknowledged where too much is damaged.
constexpr std::uint64_t kHaltedUs = 5'000'000;
constexpr std::uint64_t kConvergenceUsMax = 20'000'000;

std::string DescribeFrame(const std::string& bytes) {
  const std::optional<node::PeerMessage> message = node::DecodePeerMessage(bytes);
  if (!message) return "  (damaged)";
  const auto* raft_message = std::get_if<raft::Message>(&message->body);
  if (raft_message != nullptr) return "  " + raft::testing::Describe(*raft_message);
  return absl::StrCat("  (kind ", message->body.index(), ")");
}

class Run {
 public:
  Run(const Plan& plan, std::FILE* trace);
  Result Do();

 private:
  Server& At(NodeId id) { return *servers_.at(id); }
  void MakeServers();
  void MakeClients();
  Nemesis::Victims Victims();
  void Heal();
  // Who would stay behind for ever, as a program that does not read what the others have written.
  void UpgradeOutdated();
  // Who is left down; empty = nobody.
  std::vector<NodeId> ChooseDead();
  // Whether clients are answered, within a while in which all of them ask.
  bool CanServe();
  void AwaitOneWord();
  // What is new in this version is accepted, once nobody is of an older one.
  void AwaitNews();
  void AwaitConvergence();
  void DoDrills();
  bool HasConverged();
  std::string Describe();
  // The one that has applied the most.
  node::Replica& UpToDate();
  void CheckLeases();
  std::optional<state::SessionView> FindLingering(const std::map<SessionId, Revision>& with_stream,
                                                  const std::set<SessionId>& elsewhere);
  // For a bounded time.
  void RunWhile(const std::function<bool()>& condition);
  void Finish();

  const Plan plan_;
  Trace trace_;
  Prng prng_;
  Schedule schedule_;
  Ledger ledger_;
  Watch watch_;
  History history_;
  Rooms rooms_;
  Neighbourhood neighbourhood_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  Network network_;
  std::map<NodeId, std::unique_ptr<Server>> servers_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<Storm> storm_;
  Calamity calamity_;
  std::vector<NodeId> ids_;
  std::vector<NodeId> dead_;
  Result result_;
};

Run::Run(const Plan& plan, std::FILE* trace)
    : plan_(plan),
      trace_(trace),
      prng_(plan.seed ^ 0x72756e),
      ledger_(schedule_, trace_, plan.seed),
      watch_(schedule_),
      rooms_(schedule_, plan.seed ^ 0x726f6f6d73),
      neighbourhood_{.schedule = schedule_,
                     .trace = trace_,
                     .plan = plan_,
                     .ledger = ledger_,
                     .history = history_,
                     .rooms = rooms_,
                     .server = [this](NodeId id) -> Server& { return At(id); }},
      network_(schedule_, trace_, plan_,
               [this](NodeId from, NodeId to, const std::string& bytes) {
                 watch_.OnHeard(to, from);
                 if (trace_.IsPrinting()) trace_.Say(schedule_.now_us(), DescribeFrame(bytes));
                 At(to).Deliver(bytes);
               }),
      calamity_(
          ledger_, [this](NodeId id) -> Server& { return At(id); }, plan.seed) {
  MakeServers();
  MakeClients();
}

void Run::MakeServers() {
  std::vector<raft::Member> founders;
  raft::Configuration founding;
  for (std::uint64_t id = 1; id <= plan_.founders; ++id) {
    founders.push_back({.id = NodeId(id), .address = absl::StrCat("node", id)});
    founding.voters.push_back(NodeId(id));
  }
  founding.members = founders;
  ledger_.SetFounders(founding);
  ledger_.SetDisks([this](NodeId id) -> Disk {
    const auto found = servers_.find(id);
    if (found == servers_.end()) return {};
    return {.id = id, .incarnation = found->second->incarnation(), .files = &found->second->disk()};
  });
  for (std::uint64_t number = 1; number <= plan_.founders + plan_.spares; ++number) {
    const NodeId id(number);
    ids_.push_back(id);
    servers_.emplace(
        id, std::make_unique<Server>(
                Server::Surroundings{.schedule = schedule_,
                                     .trace = trace_,
                                     .plan = plan_,
                                     .network = network_,
                                     .ledger = ledger_,
                                     .watch = watch_,
                                     .find = [this](NodeId wanted) -> Server* {
                                       const auto found = servers_.find(wanted);
                                       return found == servers_.end() ? nullptr
                                                                      : found->second.get();
                                     }},
                id, number <= plan_.founders ? founders : std::vector<raft::Member>()));
  }
  neighbourhood_.ids = ids_;
  for (const NodeId id : ids_) At(id).Start();
}

void Run::MakeClients() {
  for (std::uint64_t number = 1; number <= plan_.clients; ++number) {
    clients_.push_back(std::make_unique<Client>(neighbourhood_, number));
    clients_.back()->Start(number == 1 ? Client::Zeal::kReady : Client::Zeal::kBusy);
  }
  for (std::uint64_t number = 1; number <= plan_.readers; ++number) {
    clients_.push_back(std::make_unique<Client>(neighbourhood_, plan_.clients + number));
    clients_.back()->Start(Client::Zeal::kReading);
  }
  for (std::uint64_t number = 1; number <= kSubscribers; ++number) {
    subscribers_.push_back(std::make_unique<Subscriber>(neighbourhood_, number));
    subscribers_.back()->Start();
  }
  nemesis_ = std::make_unique<Nemesis>(Victims());
  nemesis_->Start();
  storm_ = std::make_unique<Storm>(Victims(), *nemesis_);
  storm_->Start();
}

Nemesis::Victims Run::Victims() {
  return {.schedule = schedule_,
          .trace = trace_,
          .plan = plan_,
          .ledger = ledger_,
          .network = network_,
          .server = [this](NodeId id) -> Server& { return At(id); },
          .ids = ids_};
}

Result Run::Do() {
  const std::uint64_t start_us = schedule_.now_us();
  schedule_.RunUntil(start_us + plan_.duration_us);
  if (plan_.profile == Profile::kHalt) result_.calamities = calamity_.Strike() > 0 ? 1 : 0;
  trace_.Say(schedule_.now_us(), "--- healed ---");
  Heal();
  if (plan_.profile == Profile::kHalt && !CanServe()) {
    calamity_.CheckHalt();
    result_.halts = 1;
  } else {
    AwaitOneWord();
    AwaitNews();
    AwaitConvergence();
    DoDrills();
    CheckLeases();
  }
  Finish();
  result_.trace_digest = trace_.digest();
  result_.events = schedule_.events();
  result_.simulated_us = schedule_.now_us() - start_us;
  result_.commits = ledger_.highest_commit().value();
  result_.leaders = ledger_.counts().leaders;
  result_.crashes = ledger_.counts().starts - ids_.size();
  result_.damages = nemesis_->damages();
  result_.upgrades = nemesis_->upgrades();
  result_.news_done = history_.news_done();
  result_.news_refused = history_.news_refused();
  for (const NodeId id : ids_) result_.complaints += At(id).complaints();
  result_.updates = history_.updates();
  result_.joint_edits = rooms_.joint_edits();
  result_.reads = history_.reads();
  result_.events_told = history_.events_told();
  return result_;
}

std::vector<NodeId> Run::ChooseDead() {
  std::vector<NodeId> dead;
  if (!nemesis_->wiped().IsNone()) dead.push_back(nemesis_->wiped());
  // One that is being repaired may need all the others.
  if (prng_.Chance(1, 2) || !nemesis_->damaged().IsNone()) return dead;
  if (plan_.profile == Profile::kHalt) return dead;
  // A majority that all agree on, or nobody more than must be.
  const raft::Configuration& configuration = ledger_.configuration();
  if (configuration.IsJoint()) return dead;
  for (const NodeId id : ids_) {
    const Server& server = At(id);
    if (server.IsUp() && server.replica()->core().configuration() != configuration) return dead;
  }
  const std::size_t minority = (configuration.voters.size() - 1) / 2;
  std::vector<NodeId> voters = configuration.voters;
  std::erase_if(voters, [&](NodeId id) { return std::ranges::count(dead, id) > 0; });
  while (dead.size() < minority) {
    const std::size_t chosen = prng_.Below(voters.size());
    dead.push_back(voters[chosen]);
    voters.erase(voters.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return dead;
}

void Run::Heal() {
  nemesis_->Stop();
  storm_->Stop();
  network_.Heal();
  network_.Calm();
  for (const NodeId id : ids_) At(id).Calm();
  // What operators had asked for just before is on its way; who dies now is a minority of whom that
  // leaves as members.
  schedule_.RunUntil(schedule_.now_us() + 2 * kElectionTimeoutUs);
  UpgradeOutdated();
  dead_ = ChooseDead();
  for (const NodeId id : dead_) {
    trace_.Note(schedule_.now_us(), "dead", {id.value()});
    At(id).Crash();
  }
  for (const std::unique_ptr<Client>& client : clients_) {
    client->Calm();
    if (client != clients_.front() && plan_.profile != Profile::kHalt) client->Stop();
  }
}

void Run::UpgradeOutdated() {
  if (!plan_.Has(Fault::kUpgrade)) return;
  if (UpToDate().machine().level() <= node::kPeerVersionOldest) return;
  for (const NodeId id : ids_) {
    Server& server = At(id);
    if (!server.IsOld()) continue;
    server.Crash();
    server.Upgrade();
    server.Start();
  }
}

bool Run::CanServe() {
  const Index before = ledger_.highest_commit();
  const auto is_silent = [&] { return ledger_.highest_commit() == before; };
  const std::uint64_t bound_us = schedule_.now_us() + kHaltedUs;
  while (is_silent() && schedule_.now_us() < bound_us) {
    schedule_.RunUntil(schedule_.now_us() + kStepUs);
  }
  for (const std::unique_ptr<Client>& client : clients_) {
    if (client != clients_.front()) client->Stop();
  }
  return !is_silent();
}

void Run::AwaitOneWord() {
  const std::uint64_t healed_us = schedule_.now_us();
  bool is_done = false;
  clients_.front()->AppendOnce([&is_done] { is_done = true; });
  const std::uint64_t bound_us = kRecoveryTimeoutsMax * kElectionTimeoutUs + 1'000'000;
  while (!is_done && schedule_.now_us() < healed_us + bound_us) {
    schedule_.RunUntil(schedule_.now_us() + kStepUs);
  }
  if (!is_done)
    Violate(absl::StrCat("no write succeeds after everything was healed: ", Describe()));
  result_.recovery_us = schedule_.now_us() - healed_us;
}

void Run::AwaitNews() {
  const auto is_upgraded = [this](NodeId id) { return At(id).IsUp() && !At(id).IsOld(); };
  if (plan_.profile != Profile::kUpgrade || !std::ranges::all_of(ids_, is_upgraded)) return;
  bool is_done = false;
  clients_.front()->AskForNewsOnce([&is_done] { is_done = true; });
  RunWhile([&is_done] { return !is_done; });
  if (!is_done) Violate(absl::StrCat("nobody is old, and what is new is refused: ", Describe()));
}

bool Run::HasConverged() {
  Index applied;
  for (const NodeId id : ids_) {
    const Server& server = At(id);
    // Those who are not members are told nothing more.
    if (!server.IsUp() || !ledger_.configuration().IsMember(id)) continue;
    const raft::Member& member = *ledger_.configuration().Find(id);
    if (!member.incarnation.IsNone() && member.incarnation != server.incarnation()) continue;
    const Index own = server.replica()->machine().applied().index;
    if (own != ledger_.highest_commit()) return false;
    applied = own;
  }
  for (const std::unique_ptr<Subscriber>& subscriber : subscribers_) {
    if (subscriber->reached().IsNone()) return false;
  }
  return !applied.IsNone();
}

void Run::AwaitConvergence() {
  RunWhile([this] { return !HasConverged(); });
  if (!HasConverged()) Violate(absl::StrCat("the healed servers do not agree: ", Describe()));
}

// A cluster that is whole mends itself after any single fault, however long the leader stays.
void Run::DoDrills() {
  if (!dead_.empty() || !nemesis_->wiped().IsNone() || !nemesis_->damaged().IsNone()) return;
  Drill drill(Victims());
  for (std::uint64_t i = 0; i < plan_.drills; ++i) {
    bool is_over = false;
    std::function<void()> append_again = [&] {
      if (!is_over) clients_.front()->AppendOnce(append_again);
    };
    append_again();
    drill.Strike();
    schedule_.RunUntil(schedule_.now_us() + drill.duration_us());
    is_over = true;
    network_.Heal();
    // The last word that was asked for.
    RunWhile([&] { return clients_.front()->HasWork(); });
    if (clients_.front()->HasWork()) {
      Violate(absl::StrCat("no write succeeds after a single fault: ", Describe()));
    }
    AwaitConvergence();
  }
}

std::string Run::Describe() {
  std::string text = absl::StrCat("committed ", ledger_.highest_commit().value());
  for (const NodeId id : ids_) {
    const Server& server = At(id);
    absl::StrAppend(&text, "; node ", id.value());
    if (!server.IsUp()) {
      absl::StrAppend(&text, " down");
      continue;
    }
    const raft::Core& core = server.replica()->core();
    absl::StrAppend(&text, core.role() == raft::Role::kLeader ? " leads" : "", " term ",
                    core.term().value(), " leader ", core.leader().value(), " commit ",
                    core.commit_index().value(), " last ", core.last().term.value(), "/",
                    core.last().index.value(), " durable ", core.durable_index().value(),
                    " applied ", server.replica()->machine().applied().index.value());
    if (!core.configuration().IsMember(id)) {
      absl::StrAppend(&text, " (no member of ", raft::testing::Describe(core.configuration()), ")");
    }
  }
  return text;
}

// Guarantee 8: who has a stream has not left; who has none leaves, and what it held by its lease is
// free. A leader that is new gives everybody their time again, and one whose queue is short
// proposes a few ends at a time.
void Run::CheckLeases() {
  // What was under way when they were stopped may be a JOIN.
  const auto is_waiting = [](const std::unique_ptr<Client>& client) { return client->IsWaiting(); };
  RunWhile([&] { return std::ranges::any_of(clients_, is_waiting); });
  // And a LEAVE may have been proposed just before who it is about came back.
  schedule_.RunUntil(schedule_.now_us() + 5 * kElectionTimeoutUs);
  std::map<SessionId, Revision> with_stream;
  // At a server that is no member: such a client has to move. Or its server will have it join
  // again.
  std::set<SessionId> elsewhere;
  const state::Machine& before = UpToDate().machine();
  for (const std::unique_ptr<Client>& client : clients_) {
    const auto session = before.FindSession(client->session());
    const NodeId at = client->StreamAt();
    if (at.IsNone() || !session) continue;
    if (!session->attached.IsNone() && ledger_.configuration().IsMember(at)) {
      with_stream.emplace(session->id, session->attached);
    } else {
      elsewhere.insert(session->id);
    }
  }
  schedule_.RunUntil(schedule_.now_us() + Client::kLeaseMs * 1'000 + 2 * kElectionTimeoutUs);
  const auto lingering = [&] { return FindLingering(with_stream, elsewhere); };
  RunWhile([&] { return !HasConverged() || lingering().has_value(); });
  if (const auto session = lingering()) {
    Violate(absl::StrCat("session ", session->id.value(), " of ", session->user,
                         ", which joined at ", session->attached.value(),
                         ", has no stream and has not left"));
  }
  const state::Machine& after = UpToDate().machine();
  for (const auto& [id, joined] : with_stream) {
    const auto session = after.FindSession(id);
    if (session && session->attached == joined) continue;
    // Unless its login was over.
    if (!session || session->expires_at_ms <= after.time_ms()) continue;
    Violate(absl::StrCat("session ", id.value(), ", which joined at ", joined.value(),
                         ", has a stream and has left"));
  }
  for (const state::LockView& lock : after.Locks()) {
    const auto holder = after.FindSession(lock.session);
    if (lock.ttl_ms != 0 || (holder && !holder->attached.IsNone())) continue;
    Violate(absl::StrCat("session ", lock.session.value(), " has left and holds a lock"));
  }
}

std::optional<state::SessionView> Run::FindLingering(
    const std::map<SessionId, Revision>& with_stream, const std::set<SessionId>& elsewhere) {
  const state::Machine& now = UpToDate().machine();
  for (const state::SessionView& session : now.Sessions()) {
    if (session.attached.IsNone() || with_stream.contains(session.id)) continue;
    // A client that is told that its login is over may leave its stream open.
    if (elsewhere.contains(session.id) || session.expires_at_ms <= now.time_ms()) continue;
    return session;
  }
  return std::nullopt;
}

void Run::RunWhile(const std::function<bool()>& condition) {
  const std::uint64_t bound_us = schedule_.now_us() + kConvergenceUsMax;
  while (condition() && schedule_.now_us() < bound_us) {
    schedule_.RunUntil(schedule_.now_us() + kStepUs);
  }
}

node::Replica& Run::UpToDate() {
  node::Replica* newest = nullptr;
  for (const NodeId id : ids_) {
    node::Replica* const replica = At(id).replica();
    if (replica == nullptr) continue;
    const bool is_newer =
        newest == nullptr || replica->machine().applied().index > newest->machine().applied().index;
    if (is_newer) newest = replica;
  }
  if (newest == nullptr) Violate("nobody is left");
  return *newest;
}

void Run::Finish() {
  for (const std::unique_ptr<Subscriber>& subscriber : subscribers_) subscriber->Finish();
  history_.Check(ledger_.committed());
}

}  // namespace

Result RunPlan(const Plan& plan, std::FILE* trace) { return Run(plan, trace).Do(); }

}  // namespace coterie::sim
