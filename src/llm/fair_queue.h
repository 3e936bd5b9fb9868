#pragma once

// Who waits for a slot: a bounded queue in which clients take turns. Each client's own requests
// stay in order; the client whose request was taken goes to the back of the round. So one that asks
// much waits behind itself, and delays another by one request at most. Not thread-safe: its owner
// guards it. T must be movable.

#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"

namespace coterie::llm {

template <class T>
class FairQueue {
 public:
  // Bounds of all that wait, and of what waits for one client.
  FairQueue(std::size_t size_max, std::size_t per_client_max)
      : size_max_(size_max), per_client_max_(per_client_max) {
    CHECK(per_client_max > 0);
    CHECK(size_max >= per_client_max);
  }

  // False when full, in all or for this client; `value` is then untouched.
  [[nodiscard]] bool TryPush(const std::string& client, T&& value) {
    if (size_ >= size_max_) return false;
    auto turn = Find(client);
    if (turn == round_.end()) turn = round_.insert(round_.end(), Turn{client, {}});
    if (turn->waiting.size() >= per_client_max_) return false;
    turn->waiting.push_back(std::move(value));
    ++size_;
    return true;
  }

  // The next in turn; empty when nobody waits.
  std::optional<T> Pop() {
    if (round_.empty()) return std::nullopt;
    Turn& turn = round_.front();
    CHECK(!turn.waiting.empty());
    std::optional<T> value(std::move(turn.waiting.front()));
    turn.waiting.pop_front();
    --size_;
    if (turn.waiting.empty()) {
      round_.pop_front();
    } else {
      round_.splice(round_.end(), round_, round_.begin());
    }
    return value;
  }

  // Takes out the first for which `matches`, wherever it stands.
  template <class Predicate>
  std::optional<T> Remove(const Predicate& matches) {
    for (auto turn = round_.begin(); turn != round_.end(); ++turn) {
      for (auto it = turn->waiting.begin(); it != turn->waiting.end(); ++it) {
        if (!matches(*it)) continue;
        std::optional<T> value(std::move(*it));
        turn->waiting.erase(it);
        --size_;
        if (turn->waiting.empty()) round_.erase(turn);
        return value;
      }
    }
    return std::nullopt;
  }

  // All of them in the order in which Pop() would take them, if nobody else came.
  template <class Visitor>
  void ForEachInTurn(const Visitor& visit) const {
    std::size_t left = size_;
    for (std::size_t turns = 0; left > 0; ++turns) {
      for (const Turn& turn : round_) {
        if (turns >= turn.waiting.size()) continue;
        visit(turn.waiting[turns]);
        --left;
      }
    }
  }

  std::size_t size() const { return size_; }
  std::size_t size_max() const { return size_max_; }

 private:
  struct Turn {
    std::string client;
    std::deque<T> waiting;  // Never empty between calls.
  };
  typename std::list<Turn>::iterator Find(const std::string& client) {
    for (auto it = round_.begin(); it != round_.end(); ++it) {
      if (it->client == client) return it;
    }
    return round_.end();
  }

  const std::size_t size_max_;
  const std::size_t per_client_max_;
  std::list<Turn> round_;  // At most size_max_ turns.
  std::size_t size_ = 0;
};

}  // namespace coterie::llm
