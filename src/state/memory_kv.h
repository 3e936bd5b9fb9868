#pragma once

// The simulated Kv: a sorted map with pending writes beside it. For tests and the simulator;
// nothing in it is durable, but Crash() forgets what was not committed, and a copy is a snapshot.
// Owner: whoever owns the machine on it.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "state/kv.h"

namespace coterie::state {

class MemoryKv final : public Kv {
 public:
  std::optional<std::string> Get(std::string_view key) const override {
    const auto pending = pending_.find(key);
    if (pending != pending_.end()) return pending->second;
    const auto found = committed_.find(key);
    if (found == committed_.end()) return std::nullopt;
    return found->second;
  }
  void Scan(std::string_view first, std::string_view end, const Visitor& visit) const override {
    CHECK(pending_.empty());
    for (auto at = committed_.lower_bound(first); at != committed_.end() && at->first < end; ++at) {
      if (!visit(at->first, at->second)) return;
    }
  }
  void Put(std::string_view key, std::string_view value) override {
    pending_.insert_or_assign(std::string(key), std::string(value));
  }
  void Delete(std::string_view key) override {
    pending_.insert_or_assign(std::string(key), std::nullopt);
  }
  void Commit() override {
    for (auto& [key, value] : pending_) {
      if (value) {
        committed_.insert_or_assign(key, std::move(*value));
      } else {
        committed_.erase(key);
      }
    }
    pending_.clear();
  }

  // Forgets every pending write, as a crash does.
  void Crash() { pending_.clear(); }
  const std::map<std::string, std::string, std::less<>>& committed() const { return committed_; }

 private:
  std::map<std::string, std::string, std::less<>> committed_;
  std::map<std::string, std::optional<std::string>, std::less<>> pending_;
};

}  // namespace coterie::state
