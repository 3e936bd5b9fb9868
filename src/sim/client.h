#pragma once

// A simulated writer: logs in, joins, appends words, types in a Yjs editor, keeps drafts, takes
// locks and writes under them, reads, moves to other servers, pauses while it holds a lock. It
// retries with the same request id, at any server, as the smart client does (client/), and writes
// down what it was told. Owner: the run.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/editor.h"
#include "sim/history.h"
#include "sim/ledger.h"
#include "sim/plan.h"
#include "sim/rooms.h"
#include "sim/schedule.h"
#include "sim/server.h"
#include "sim/trace.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::sim {

// Where clients live.
struct Neighbourhood {
  Schedule& schedule;
  Trace& trace;
  const Plan& plan;
  const Ledger& ledger;
  History& history;
  Rooms& rooms;
  std::function<Server&(NodeId)> server;
  std::vector<NodeId> ids;
};

class Client {
 public:
  static constexpr std::uint64_t kLeaseMs = 1'500;

  Client(Neighbourhood& around, std::uint64_t number);

  // Works until Stop(); what it has begun it ends. kReady: logs in, finds its documents and waits
  // for AppendOnce(). kReading: only reads, without logging in.
  enum class Zeal : std::uint8_t { kBusy, kReady, kReading };
  void Start(Zeal zeal);
  void Stop() { is_stopped_ = true; }
  // The answers that come in from now on are not lost.
  void Calm() { is_calm_ = true; }
  bool IsWaiting() const { return call_.has_value(); }
  // A word that AppendOnce() asked for is not acknowledged yet.
  bool HasWork() const { return static_cast<bool>(wanted_word_); }
  // Its session; none before it has one.
  SessionId session() const { return session_; }
  // Where it has joined and its stream is open, so that its lease is being renewed; none = nowhere.
  NodeId StreamAt() const;
  // Appends one word with all its might; `done` once it is acknowledged.
  void AppendOnce(std::function<void()> done);
  // Asks for something that the first version of the program did not know; `done` once that is
  // answered.
  void AskForNewsOnce(std::function<void()> done) { wanted_news_ = std::move(done); }

 private:
  using Then = std::function<void(const std::optional<state::Outcome>&)>;  // Empty = unknown.
  struct Call {
    std::function<void()> attempt;
    std::function<void()> give_up;
    std::uint64_t deadline_us = 0;
    std::uint64_t attempt_number = 0;
  };

  void Next();
  void ThinkThenNext();
  // How long everybody rests.
  std::uint64_t RestOfTheNight();
  bool IsReady() const;
  void Login();
  void Join();
  void LookUp();
  void Append();
  void TypeInEditor();
  void MergeDraft(DocId doc);
  void TakeLock();
  void WriteUnderLock(int writes_left);
  void GiveLockBack();
  void AskForNews();
  void ReadSomething();
  void ReadOrLook();
  void OpenStream();

  void Propose(state::CommandBody body, Then then);
  // One attempt; `done` once, or never.
  void ProposeAtHome(const state::Command& command, const Rooms::Done& done);
  void Read(DocId doc, std::function<void()> then);
  void Begin(Call call);
  void Attempt();
  // One answer, at most, to the attempt that is current counts.
  void AnswerLater(std::uint64_t attempt, std::function<void()> handle);
  void RetryLater();
  void MoveHome();
  std::string user() const;
  Server& home() { return around_.server(home_); }
  DocId AnyDoc(const std::vector<DocId>& docs);

  Neighbourhood& around_;
  const std::uint64_t number_;
  Prng prng_;
  Editor editor_;
  Zeal zeal_ = Zeal::kBusy;
  bool is_stopped_ = false;
  bool is_calm_ = false;
  NodeId home_;
  SessionId session_;
  bool is_joined_ = false;
  NodeId stream_at_;
  std::uint64_t stream_life_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t words_ = 0;
  std::uint64_t next_attempt_ = 1;
  std::optional<Call> call_;
  std::function<void()> wanted_word_;  // To be told of the word that AppendOnce() asked for.
  std::function<void()> wanted_news_;  // The same of AskForNewsOnce().
  std::vector<DocId> lists_;
  std::vector<DocId> locked_docs_;
  std::size_t documents_asked_for_ = 0;
  DocId locked_;
  FencingToken token_;
};

}  // namespace coterie::sim
