#pragma once

// The ordered key-value store under the state machine: one of the four seams with the world. The
// real one is store::Store (RocksDB); memory_kv.h is the simulated one. Keys are byte strings in
// lexicographic order. Owner: the apply thread, except where an implementation says more.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace coterie::state {

class Kv {
 public:
  virtual ~Kv() = default;

  // Sees committed values and the pending writes. A read error of the real store ends the process:
  // a state machine that cannot read its state has no answer that is not a guess.
  virtual std::optional<std::string> Get(std::string_view key) const = 0;

  // Calls `visit` for each pair with first <= key < end in ascending order until it returns false.
  // Requires that no write is pending.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  virtual void Scan(std::string_view first, std::string_view end, const Visitor& visit) const = 0;

  // Pending until Commit().
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;

  // All pending writes take effect at once, or, after a crash, none of them. Not durable by itself:
  // the write-ahead log is what acknowledged commands survive in.
  virtual void Commit() = 0;
};

}  // namespace coterie::state
