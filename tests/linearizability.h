#pragma once

// Decides whether a recorded history of concurrent calls could have come from one copy that
// executed them one at a time, each at some instant between its call and its answer
// (linearizability; Herlihy and Wing 1990). Objects: one register with one lock per key.
// Linearizability is local, so each key is checked alone. Not a test of exactly-once or of event
// order. Pure; any thread.
//
// Source: Wing and Gong 1993, with the memo of (what is linearized, state) of Lowe, "Testing for
// linearizability", 2017; a call without an answer may take effect at any
// later instant or never, as in Jepsen's Knossos.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace coterie::tests {

enum class Kind : std::uint8_t {
  kRead,         // -> value.
  kWrite,        // Of value; refused while another client holds the lock.
  kCas,          // expected -> value; refused if the register has another value.
  kLock,         // -> token; refused while another holds it. A holder gets its token again.
  kUnlock,       // Of token; refused if the lock is not held under it.
  kFencedWrite,  // Of value, under token; refused if the lock is not held under it.
};

enum class Result : std::uint8_t {
  kOk,
  kRefused,  // Had no effect, because of the state at that instant.
  kUnknown,  // No answer: had its effect at any instant since the call, or never.
};

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// One call. Times are of one monotonic clock; only their order counts. A call that surely had no
// effect (for example: could not be sent) is left out of the history.
struct Operation {
  std::uint64_t client = 0;  // From 1.
  std::string key;
  Kind kind = Kind::kRead;
  Result result = Result::kOk;
  std::uint64_t value = 0;     // Read or to be written; 0 = the value before any write.
  std::uint64_t expected = 0;  // kCas only.
  std::uint64_t token = 0;     // The lock's, given or got.
  std::int64_t called_at = 0;
  std::int64_t returned_at = kNever;  // Ignored if unknown.
};

enum class Verdict : std::uint8_t {
  kLinearizable,
  kViolated,
  kUndecided,  // The search was longer than `steps_max`.
};

struct Judgement {
  Verdict verdict = Verdict::kLinearizable;
  std::string key;          // The first that is not linearizable.
  std::string explanation;  // How far any order got, and which calls could not follow.
};

inline constexpr std::size_t kStepsMax = 20'000'000;

Judgement CheckLinearizable(const std::vector<Operation>& history,
                            std::size_t steps_max = kStepsMax);

// One line, as in "c3 write(doc1) 17 -> ok [120, 340]".
std::string ToString(const Operation& operation);

}  // namespace coterie::tests
