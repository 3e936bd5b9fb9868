#include "tests/linearizability.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/prng.h"

namespace coterie::tests {
namespace {

// A lock that was granted in a call without an answer: nobody knows its token.
constexpr std::uint64_t kUnknownToken = std::numeric_limits<std::uint64_t>::max();

// The sequential object: one key.
struct State {
  std::uint64_t value = 0;
  std::uint64_t holder = 0;  // Client; 0 = unlocked.
  std::uint64_t token = 0;
  std::uint64_t token_max = 0;  // Of all grants so far; a new one must be higher.
  friend bool operator==(const State&, const State&) = default;
};

bool IsLockedByOther(const State& state, const Operation& op) {
  return state.holder != 0 && state.holder != op.client;
}

bool HoldsUnder(const State& state, const Operation& op) {
  if (state.holder != op.client) return false;
  return state.token == op.token || (state.token == kUnknownToken && op.token > state.token_max);
}

std::optional<State> Grant(State state, const Operation& op) {
  const bool is_unknown = op.result == Result::kUnknown;
  if (state.holder == op.client) {  // Renewed under the same token.
    if (is_unknown || state.token == op.token) return state;
    if (state.token != kUnknownToken) return std::nullopt;
  }
  state.holder = op.client;
  if (is_unknown) {
    state.token = kUnknownToken;
    return state;
  }
  if (op.token <= state.token_max) return std::nullopt;
  state.token = op.token;
  state.token_max = op.token;
  return state;
}

State Written(State state, const Operation& op) {
  state.value = op.value;
  return state;
}

State Unlocked(State state) {
  state.holder = 0;
  state.token = 0;
  return state;
}

// Whether the state makes this call refused.
bool IsRefused(const State& state, const Operation& op) {
  switch (op.kind) {
    case Kind::kRead:
      return false;
    case Kind::kWrite:
    case Kind::kLock:
      return IsLockedByOther(state, op);
    case Kind::kCas:
      return state.value != op.expected || IsLockedByOther(state, op);
    case Kind::kUnlock:
    case Kind::kFencedWrite:
      return !HoldsUnder(state, op);
  }
  return false;
}

// The state after `op`, or nothing if `op` could not have had its result in `state`. An unknown
// call that would have been refused need not be tried: it may as well never happen.
std::optional<State> Apply(const State& state, const Operation& op) {
  const bool refused = IsRefused(state, op);
  if (op.result == Result::kRefused) return refused ? std::optional(state) : std::nullopt;
  if (refused) return std::nullopt;
  switch (op.kind) {
    case Kind::kRead:
      return state.value == op.value ? std::optional(state) : std::nullopt;
    case Kind::kWrite:
    case Kind::kCas:
    case Kind::kFencedWrite:
      return Written(state, op);
    case Kind::kLock:
      return Grant(state, op);
    case Kind::kUnlock:
      return Unlocked(state);
  }
  return std::nullopt;
}

// A set of operations as the exclusive or of one random number for each (Zobrist 1970): 128 bits,
// so that two sets of a search never meet by chance.
struct SetHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const SetHash&, const SetHash&) = default;
  SetHash operator^(const SetHash& other) const { return {high ^ other.high, low ^ other.low}; }
};

// Which operations have been linearized, and the state they left.
struct Configuration {
  SetHash linearized;
  State state;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

struct ConfigurationHash {
  std::size_t operator()(const Configuration& configuration) const {
    std::uint64_t hash = configuration.linearized.low;
    for (const std::uint64_t word : {configuration.state.value, configuration.state.holder,
                                     configuration.state.token, configuration.state.token_max}) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

// The search over one key's operations.
class Search {
 public:
  explicit Search(std::vector<const Operation*> operations) : operations_(std::move(operations)) {
    BuildList();
    Prng prng(operations_.size());
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      marks_.push_back({.high = prng.Next(), .low = prng.Next()});
    }
  }

  Verdict Run(std::size_t& steps_left);
  std::string Explain() const;

 private:
  static constexpr std::size_t kEnd = std::numeric_limits<std::size_t>::max();

  // A call or an answer in the doubly linked list of what is not linearized yet, by time.
  struct Event {
    std::size_t operation = 0;
    bool is_call = false;
    std::size_t previous = kEnd;
    std::size_t next = kEnd;
  };
  struct Step {
    std::size_t call;  // The event.
    State before;
  };

  void BuildList();
  void Unlink(std::size_t event);
  void Relink(std::size_t event);
  void Lift(std::size_t call, const State& after);
  std::size_t UndoLast();
  void NoteProgress();
  bool IsAnswered(std::size_t operation) const {
    return operations_[operation]->result != Result::kUnknown;
  }

  std::vector<const Operation*> operations_;
  std::vector<Event> events_;         // The first is a sentinel.
  std::vector<std::size_t> answers_;  // Operation -> its answer's event; kEnd if unknown.
  std::size_t answered_left_ = 0;
  std::vector<SetHash> marks_;  // One an operation.
  Configuration current_;
  std::vector<Step> steps_;
  std::unordered_set<Configuration, ConfigurationHash> seen_;

  std::size_t best_ = 0;  // The longest order found, and what could not follow.
  std::vector<std::size_t> best_order_;
  State best_state_;
};

void Search::BuildList() {
  struct Moment {
    std::int64_t at;
    bool is_answer;  // At one instant calls come first: they count as concurrent.
    std::size_t operation;
  };
  std::vector<Moment> moments;
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    moments.push_back({operations_[i]->called_at, false, i});
    if (!IsAnswered(i)) continue;
    moments.push_back({operations_[i]->returned_at, true, i});
    ++answered_left_;
  }
  std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::pair(a.at, a.is_answer) < std::pair(b.at, b.is_answer);
  });
  answers_.assign(operations_.size(), kEnd);
  events_.push_back({});
  for (const Moment& moment : moments) {
    const std::size_t at = events_.size();
    if (moment.is_answer) answers_[moment.operation] = at;
    events_.back().next = at;
    events_.push_back(
        {.operation = moment.operation, .is_call = !moment.is_answer, .previous = at - 1});
  }
}

void Search::Unlink(std::size_t event) {
  events_[events_[event].previous].next = events_[event].next;
  if (events_[event].next != kEnd) events_[events_[event].next].previous = events_[event].previous;
}

void Search::Relink(std::size_t event) {
  events_[events_[event].previous].next = event;
  if (events_[event].next != kEnd) events_[events_[event].next].previous = event;
}

void Search::Lift(std::size_t call, const State& after) {
  const std::size_t operation = events_[call].operation;
  steps_.push_back({.call = call, .before = current_.state});
  current_.state = after;
  current_.linearized = current_.linearized ^ marks_[operation];
  Unlink(call);
  if (answers_[operation] == kEnd) return;
  Unlink(answers_[operation]);
  --answered_left_;
}

// Returns the event to go on with: the one after the call that is taken back.
std::size_t Search::UndoLast() {
  const Step step = steps_.back();
  steps_.pop_back();
  const std::size_t operation = events_[step.call].operation;
  if (answers_[operation] != kEnd) {
    Relink(answers_[operation]);
    ++answered_left_;
  }
  Relink(step.call);
  current_.state = step.before;
  current_.linearized = current_.linearized ^ marks_[operation];
  return events_[step.call].next;
}

void Search::NoteProgress() {
  if (steps_.size() < best_) return;
  best_ = steps_.size();
  best_state_ = current_.state;
  best_order_.clear();
  for (const Step& step : steps_) best_order_.push_back(events_[step.call].operation);
}

Verdict Search::Run(std::size_t& steps_left) {
  seen_.insert(current_);
  std::size_t at = events_[0].next;
  while (answered_left_ > 0) {
    if (steps_left == 0) return Verdict::kUndecided;
    --steps_left;
    const Event event = events_[at];
    if (!event.is_call) {
      // This answer came before any call not yet tried: what is linearized so far cannot be right.
      NoteProgress();
      if (steps_.empty()) return Verdict::kViolated;
      at = UndoLast();
      continue;
    }
    const std::size_t here = std::exchange(at, event.next);
    const std::optional<State> after = Apply(current_.state, *operations_[event.operation]);
    if (!after) continue;
    const Configuration next{.linearized = current_.linearized ^ marks_[event.operation],
                             .state = *after};
    if (!seen_.insert(next).second) continue;
    Lift(here, *after);
    at = events_[0].next;
  }
  return Verdict::kLinearizable;
}

std::string Search::Explain() const {
  constexpr std::size_t kShown = 8;
  std::string text = "after this order (its end):\n";
  const std::size_t skipped = best_order_.size() - std::min(best_order_.size(), kShown);
  for (std::size_t i = skipped; i < best_order_.size(); ++i) {
    text += "  " + ToString(*operations_[best_order_[i]]) + "\n";
  }
  text += "  value " + std::to_string(best_state_.value) + ", holder " +
          std::to_string(best_state_.holder) + ", token " + std::to_string(best_state_.token) +
          "\nnone of these can follow:\n";
  const std::set<std::size_t> done(best_order_.begin(), best_order_.end());
  std::size_t shown = 0;
  for (std::size_t i = 1; i < events_.size() && shown < kShown; ++i) {
    if (done.contains(events_[i].operation)) continue;
    if (!events_[i].is_call) break;
    text += "  " + ToString(*operations_[events_[i].operation]) + "\n";
    ++shown;
  }
  return text;
}

// An unknown write whose value nobody ever saw may as well not have happened; without it the search
// is shorter. Only where no compare-and-set could have been refused because of it.
std::vector<const Operation*> Prune(const std::vector<const Operation*>& operations) {
  std::set<std::uint64_t> read;
  for (const Operation* op : operations) {
    if (op->kind == Kind::kCas) return operations;
    if (op->kind == Kind::kRead) read.insert(op->value);
  }
  std::vector<const Operation*> kept;
  for (const Operation* op : operations) {
    const bool is_write = op->kind == Kind::kWrite || op->kind == Kind::kFencedWrite;
    if (op->result == Result::kUnknown && is_write && !read.contains(op->value)) continue;
    kept.push_back(op);
  }
  return kept;
}

}  // namespace

Judgement CheckLinearizable(const std::vector<Operation>& history, std::size_t steps_max) {
  std::map<std::string, std::vector<const Operation*>> keys;
  for (const Operation& op : history) {
    if (op.kind == Kind::kRead && op.result == Result::kUnknown) continue;  // Says nothing.
    keys[op.key].push_back(&op);
  }
  Judgement undecided{.verdict = Verdict::kLinearizable};
  for (const auto& [key, operations] : keys) {
    Search search(Prune(operations));
    std::size_t steps_left = steps_max;
    const Verdict verdict = search.Run(steps_left);
    if (verdict == Verdict::kViolated) {
      return {.verdict = verdict, .key = key, .explanation = search.Explain()};
    }
    if (verdict == Verdict::kUndecided) undecided = {.verdict = verdict, .key = key};
  }
  return undecided;
}

std::string ToString(const Operation& operation) {
  static constexpr const char* kKinds[] = {"read", "write",  "cas",
                                           "lock", "unlock", "fenced write"};
  static constexpr const char* kResults[] = {"ok", "refused", "unknown"};
  std::string text = "c" + std::to_string(operation.client) + " " +
                     kKinds[static_cast<int>(operation.kind)] + "(" + operation.key + ")";
  if (operation.kind == Kind::kCas) text += " " + std::to_string(operation.expected) + " to";
  text += " " + std::to_string(operation.value);
  if (operation.token != 0) text += " token " + std::to_string(operation.token);
  text += std::string(" -> ") + kResults[static_cast<int>(operation.result)] + " [" +
          std::to_string(operation.called_at) + ", ";
  const bool is_open = operation.result == Result::kUnknown || operation.returned_at == kNever;
  return text + (is_open ? "?" : std::to_string(operation.returned_at)) + "]";
}

}  // namespace coterie::tests
