#pragma once

// Numbers the mutating calls of this process, so that the cluster applies each once however often
// it is sent: see RequestId in auth.proto. Knows which numbers are still open, which tells the
// cluster what it may forget. Not thread safe: its owner's mutex guards it.

#include <cstdint>
#include <set>

#include "base/check.h"

namespace coterie::client {

class RequestIds {
 public:
  // `client_id` is random per process and never 0.
  explicit RequestIds(std::uint64_t client_id) : client_id_(client_id) { CHECK(client_id != 0); }

  // How far numbers may run ahead of the oldest open one: the cluster keeps no more outcomes of a
  // client (state/command.h, kOutcomesPerClientMax), and refuses what comes beyond.
  static constexpr std::uint64_t kSpanMax = 1'024;
  bool MayOpen() const { return open_.empty() || last_ + 1 - *open_.begin() < kSpanMax; }

  // Opens the next number. Requires MayOpen(). Close() it once its answer is known or nobody will
  // retry it.
  std::uint64_t Open() {
    CHECK(MayOpen());
    const std::uint64_t sequence = ++last_;
    open_.insert(sequence);
    return sequence;
  }
  void Close(std::uint64_t sequence) {
    const bool was_open = open_.erase(sequence) == 1;
    CHECK(was_open);
  }

  // All numbers below this are closed.
  std::uint64_t acked_below() const { return open_.empty() ? last_ + 1 : *open_.begin(); }
  std::uint64_t client_id() const { return client_id_; }

 private:
  std::uint64_t client_id_;
  std::uint64_t last_ = 0;
  std::set<std::uint64_t> open_;
};

}  // namespace coterie::client
