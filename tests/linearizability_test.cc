#include "tests/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"

namespace coterie::tests {
namespace {

// Builds histories by hand: c(1).Read(5, {10, 20}) = client 1 read 5 between 10 and 20.
struct Span {
  std::int64_t called_at;
  std::int64_t returned_at;
};

Operation Make(std::uint64_t client, Kind kind, Span span, Operation rest = {}) {
  rest.client = client;
  rest.kind = kind;
  rest.called_at = span.called_at;
  rest.returned_at = span.returned_at;
  if (rest.key.empty()) rest.key = "a";
  return rest;
}
Operation Read(std::uint64_t client, std::uint64_t value, Span span) {
  return Make(client, Kind::kRead, span, {.value = value});
}
Operation Write(std::uint64_t client, std::uint64_t value, Span span, Result result = Result::kOk) {
  return Make(client, Kind::kWrite, span, {.result = result, .value = value});
}
Operation Cas(std::uint64_t client, std::uint64_t expected, std::uint64_t value, Span span,
              Result result = Result::kOk) {
  return Make(client, Kind::kCas, span, {.result = result, .value = value, .expected = expected});
}
Operation Lock(std::uint64_t client, std::uint64_t token, Span span, Result result = Result::kOk) {
  return Make(client, Kind::kLock, span, {.result = result, .token = token});
}
Operation Unlock(std::uint64_t client, std::uint64_t token, Span span,
                 Result result = Result::kOk) {
  return Make(client, Kind::kUnlock, span, {.result = result, .token = token});
}
Operation Fenced(std::uint64_t client, std::uint64_t value, std::uint64_t token, Span span,
                 Result result = Result::kOk) {
  return Make(client, Kind::kFencedWrite, span, {.result = result, .value = value, .token = token});
}

void ExpectGood(const std::vector<Operation>& history) {
  const Judgement judgement = CheckLinearizable(history);
  EXPECT_EQ(judgement.verdict, Verdict::kLinearizable) << judgement.explanation;
}
void ExpectBad(const std::vector<Operation>& history) {
  const Judgement judgement = CheckLinearizable(history);
  EXPECT_EQ(judgement.verdict, Verdict::kViolated);
  EXPECT_FALSE(judgement.explanation.empty());
}

TEST(Register, SequentialHistoryIsGood) {
  ExpectGood({});
  ExpectGood({Read(1, 0, {1, 2}), Write(1, 7, {3, 4}), Read(2, 7, {5, 6})});
}

TEST(Register, StaleReadIsBad) { ExpectBad({Write(1, 7, {1, 2}), Read(2, 0, {3, 4})}); }

TEST(Register, ReadOfWhatNobodyWroteIsBad) { ExpectBad({Read(1, 9, {1, 2})}); }

TEST(Register, ConcurrentReadMaySeeEither) {
  ExpectGood({Write(1, 7, {1, 10}), Read(2, 0, {2, 9})});
  ExpectGood({Write(1, 7, {1, 10}), Read(2, 7, {2, 9})});
}

TEST(Register, ReadsMayNotGoBackInTime) {
  ExpectGood({Write(1, 7, {1, 10}), Read(2, 0, {2, 3}), Read(3, 7, {4, 5})});
  ExpectBad({Write(1, 7, {1, 10}), Read(2, 7, {2, 3}), Read(3, 0, {4, 5})});
}

TEST(Register, LostWriteIsBad) {
  ExpectBad({Write(1, 1, {1, 2}), Write(2, 2, {3, 4}), Read(3, 1, {5, 6})});
}

TEST(Register, ConcurrentWritesHaveOneOrderForAll) {
  ExpectGood({Write(1, 1, {1, 5}), Write(2, 2, {1, 5}), Read(3, 1, {6, 7}), Read(4, 1, {6, 7})});
  ExpectBad({Write(1, 1, {1, 5}), Write(2, 2, {1, 5}), Read(3, 1, {6, 7}), Read(4, 2, {6, 7})});
}

TEST(Register, KeysAreIndependent) {
  Operation other = Write(2, 9, {1, 2});
  other.key = "b";
  ExpectGood({Write(1, 1, {1, 2}), other, Read(3, 1, {3, 4})});
  Operation stale = Read(3, 0, {3, 4});
  stale.key = "b";
  const Judgement judgement = CheckLinearizable({Write(1, 1, {1, 2}), other, stale});
  EXPECT_EQ(judgement.verdict, Verdict::kViolated);
  EXPECT_EQ(judgement.key, "b");
}

TEST(Unknown, WriteMayHappenNeverOrLate) {
  const Operation unknown = Write(1, 7, {1, kNever}, Result::kUnknown);
  ExpectGood({unknown, Read(2, 0, {100, 101})});
  ExpectGood({unknown, Read(2, 0, {100, 101}), Read(2, 7, {102, 103})});
  ExpectGood({unknown, Write(2, 8, {5, 6}), Read(2, 7, {7, 8})});
}

TEST(Unknown, WriteHappensAtMostOnceAndNotBeforeItsCall) {
  const Operation unknown = Write(1, 7, {10, kNever}, Result::kUnknown);
  ExpectBad({unknown, Read(2, 7, {20, 21}), Write(2, 8, {22, 23}), Read(2, 8, {24, 25}),
             Read(2, 7, {26, 27})});
  ExpectBad({Read(2, 7, {1, 2}), unknown});
}

TEST(Cas, FollowsTheValue) {
  ExpectGood({Cas(1, 0, 1, {1, 2}), Cas(2, 0, 2, {3, 4}, Result::kRefused), Read(1, 1, {5, 6})});
  ExpectBad({Cas(1, 0, 1, {1, 2}), Cas(2, 0, 2, {3, 4})});
  ExpectBad({Cas(1, 0, 1, {1, 2}, Result::kRefused)});
}

TEST(Cas, UnknownWriteMayExplainARefusal) {
  const Operation unknown = Write(1, 7, {1, kNever}, Result::kUnknown);
  ExpectGood({unknown, Cas(2, 0, 3, {5, 6}, Result::kRefused)});
}

TEST(Lock, IsExclusive) {
  ExpectGood({Lock(1, 5, {1, 2}), Lock(2, 0, {3, 4}, Result::kRefused), Unlock(1, 5, {5, 6}),
              Lock(2, 6, {7, 8})});
  ExpectBad({Lock(1, 5, {1, 2}), Lock(2, 6, {3, 4})});
  ExpectBad({Lock(1, 0, {1, 2}, Result::kRefused)});
}

TEST(Lock, TokensOnlyGrow) {
  ExpectBad({Lock(1, 5, {1, 2}), Unlock(1, 5, {3, 4}), Lock(2, 5, {5, 6})});
  ExpectBad({Lock(1, 5, {1, 2}), Unlock(1, 5, {3, 4}), Lock(2, 4, {5, 6})});
}

TEST(Lock, HolderGetsItsTokenAgain) {
  ExpectGood({Lock(1, 5, {1, 2}), Lock(1, 5, {3, 4})});
  ExpectBad({Lock(1, 5, {1, 2}), Lock(1, 6, {3, 4})});
}

TEST(Lock, FencesOffOldTokens) {
  const std::vector<Operation> moved = {Lock(1, 5, {1, 2}), Unlock(1, 5, {3, 4}),
                                        Lock(2, 6, {5, 6})};
  std::vector<Operation> good = moved;
  good.push_back(Fenced(1, 9, 5, {7, 8}, Result::kRefused));
  good.push_back(Fenced(2, 8, 6, {9, 10}));
  good.push_back(Read(3, 8, {11, 12}));
  ExpectGood(good);
  std::vector<Operation> bad = moved;
  bad.push_back(Fenced(1, 9, 5, {7, 8}));
  ExpectBad(bad);
}

TEST(Lock, UnlockedWritesRespectIt) {
  ExpectGood({Lock(1, 5, {1, 2}), Write(2, 7, {3, 4}, Result::kRefused), Write(1, 8, {5, 6})});
  ExpectBad({Lock(1, 5, {1, 2}), Write(2, 7, {3, 4})});
  ExpectBad({Write(2, 7, {3, 4}, Result::kRefused)});
}

TEST(Lock, UnknownGrantExplainsARefusalAndALaterToken) {
  const Operation unknown = Lock(1, 0, {1, kNever}, Result::kUnknown);
  ExpectGood({unknown, Lock(2, 0, {3, 4}, Result::kRefused), Lock(1, 7, {5, 6})});
  ExpectGood({unknown, Lock(2, 9, {3, 4})});
}

TEST(Lock, ExpiryIsAnUnknownUnlock) {
  const std::vector<Operation> lost = {Lock(1, 5, {1, 2}), Lock(2, 6, {30, 40})};
  ExpectBad(lost);
  std::vector<Operation> expired = lost;
  expired.push_back(Unlock(1, 5, {2, kNever}, Result::kUnknown));
  ExpectGood(expired);
}

// Random histories that are linearizable because they were made so: each call takes effect on a
// real copy at one instant that is drawn between its call and its answer.
class Generator {
 public:
  explicit Generator(std::uint64_t seed, std::uint64_t calls_per_lost = 20)
      : prng_(seed), calls_per_lost_(calls_per_lost) {}

  std::vector<Operation> Run(std::size_t clients, std::size_t calls) {
    std::vector<Operation> history;
    std::vector<std::int64_t> free_at(clients, 0);
    for (std::size_t i = 0; i < calls; ++i) {
      const std::size_t client = prng_.Below(clients);
      Operation op{.client = client + 1, .key = prng_.Chance(1, 2) ? "a" : "b"};
      op.called_at = free_at[client] + static_cast<std::int64_t>(prng_.Below(20));
      const std::int64_t effect_at = op.called_at + static_cast<std::int64_t>(prng_.Below(40));
      op.returned_at = effect_at + static_cast<std::int64_t>(prng_.Below(40));
      free_at[client] = op.returned_at + 1;
      pending_.push_back({effect_at, op});
    }
    std::stable_sort(pending_.begin(), pending_.end(),
                     [](const Pending& a, const Pending& b) { return a.effect_at < b.effect_at; });
    for (Pending& pending : pending_) TakeEffect(pending.operation, history);
    return history;
  }

 private:
  struct Pending {
    std::int64_t effect_at;
    Operation operation;
  };
  struct Copy {
    std::uint64_t value = 0;
    std::uint64_t holder = 0;
    std::uint64_t token = 0;
  };

  void TakeEffect(Operation op, std::vector<Operation>& history) {
    Copy& copy = copies_[op.key];
    op.kind = static_cast<Kind>(prng_.Below(6));
    const bool is_lost = prng_.Chance(1, calls_per_lost_);
    if (!is_lost || prng_.Chance(1, 2)) Execute(op, copy);
    if (is_lost) {
      if (op.kind == Kind::kLock) op.token = 0;
      op.result = Result::kUnknown;
      op.returned_at = kNever;
    }
    history.push_back(op);
  }

  void Execute(Operation& op, Copy& copy) {
    const bool is_other = copy.holder != 0 && copy.holder != op.client;
    const auto refuse_if = [&](bool refused) {
      op.result = refused ? Result::kRefused : Result::kOk;
      return refused;
    };
    switch (op.kind) {
      case Kind::kRead:
        op.value = copy.value;
        return;
      case Kind::kWrite:
        op.value = ++fresh_;
        if (!refuse_if(is_other)) copy.value = op.value;
        return;
      case Kind::kCas:
        op.expected = prng_.Chance(2, 3) ? copy.value : prng_.Below(fresh_ + 1);
        op.value = ++fresh_;
        if (!refuse_if(is_other || copy.value != op.expected)) copy.value = op.value;
        return;
      case Kind::kLock:
        if (refuse_if(is_other)) return;
        if (copy.holder == 0) copy = {.value = copy.value, .holder = op.client, .token = ++fresh_};
        op.token = copy.token;
        return;
      case Kind::kUnlock:
      case Kind::kFencedWrite:
        op.token = copy.holder == op.client ? copy.token : 1;
        if (op.kind == Kind::kFencedWrite) op.value = ++fresh_;
        if (refuse_if(copy.holder != op.client)) return;
        if (op.kind == Kind::kFencedWrite) copy.value = op.value;
        if (op.kind == Kind::kUnlock) copy = {.value = copy.value};
        return;
    }
  }

  Prng prng_;
  const std::uint64_t calls_per_lost_;  // One in so many has no answer.
  std::uint64_t fresh_ = 1;
  std::map<std::string, Copy> copies_;
  std::vector<Pending> pending_;
};

TEST(Generated, LinearizableHistoriesPass) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const Judgement judgement = CheckLinearizable(Generator(seed).Run(6, 200));
    ASSERT_EQ(judgement.verdict, Verdict::kLinearizable) << judgement.explanation;
  }
}

// Makes one answered read say what was true at another time.
bool Mutate(std::vector<Operation>& history, Prng& prng) {
  std::vector<std::size_t> reads;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history[i].kind == Kind::kRead && history[i].result == Result::kOk) reads.push_back(i);
  }
  if (reads.size() < 2) return false;
  const std::size_t from = prng.Below(reads.size());
  const std::size_t to = (from + reads.size() / 2) % reads.size();
  if (history[reads[from]].value == history[reads[to]].value) return false;
  history[reads[to]].value = history[reads[from]].value;
  return true;
}

TEST(Generated, MutatedHistoriesMostlyFail) {
  std::size_t mutated = 0;
  std::size_t caught = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    std::vector<Operation> history = Generator(seed).Run(6, 200);
    if (!Mutate(history, prng)) continue;
    ++mutated;
    caught += CheckLinearizable(history).verdict == Verdict::kViolated ? 1 : 0;
  }

  EXPECT_GT(mutated, 100u);
  EXPECT_GT(caught * 10, mutated * 9) << caught << " of " << mutated;
}

TEST(Generated, LongHistoryIsDecidedQuickly) {
  EXPECT_EQ(CheckLinearizable(Generator(1, 1000).Run(8, 40'000)).verdict, Verdict::kLinearizable);
}

}  // namespace
}  // namespace coterie::tests
