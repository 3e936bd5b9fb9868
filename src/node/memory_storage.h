#pragma once

// The simulated StateStorage: what is durable is a map, what is in use another; Crash() makes the
// one the other. For tests and the simulator. Owner: one thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "node/state_storage.h"
#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::node {

class MemoryStorage final : public StateStorage {
 public:
  using Pairs = std::map<std::string, std::string, std::less<>>;

  MemoryStorage() : kv_(std::make_unique<state::MemoryKv>()) {}

  absl::Status Open(Index log_start) override {
    if (is_damaged_) return absl::DataLossError("a block of the state does not fit its checksum");
    const std::optional<std::string> value = Find(durable_, state::kAppliedKey);
    const std::optional<state::Applied> applied =
        value ? state::DecodeApplied(*value) : std::nullopt;
    if (sealed_ && (applied ? applied->index : Index()) < log_start) return Swap();
    sealed_.reset();
    Load(durable_);
    return absl::OkStatus();
  }
  absl::Status Discard() override {
    durable_.clear();
    sealed_.reset();
    is_damaged_ = false;
    return absl::OkStatus();
  }
  state::Kv& kv() override { return *kv_; }

  absl::Status Flush() override {
    durable_ = Pairs(kv_->committed().begin(), kv_->committed().end());
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const override {
    return Find(durable_, key);
  }
  absl::StatusOr<std::unique_ptr<StateCopy>> Copy() override {
    return std::make_unique<Frozen>(Pairs(kv_->committed().begin(), kv_->committed().end()));
  }

  absl::Status BeginInstall() override {
    incoming_.clear();
    return absl::OkStatus();
  }
  absl::Status Write(std::string_view bytes) override {
    incoming_.append(bytes);
    return absl::OkStatus();
  }
  absl::Status Seal() override {
    Pairs pairs;
    ByteReader in(incoming_);
    while (in.ok() && in.remaining_bytes() > 0) {
      std::string key(in.Bytes());
      pairs.emplace(std::move(key), std::string(in.Bytes()));
    }
    if (!in.AtEnd()) return absl::DataLossError("the snapshot ended early");
    sealed_ = std::move(pairs);
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<std::string>> GetIncoming(std::string_view key) const override {
    CHECK(sealed_.has_value());
    return Find(*sealed_, key);
  }
  absl::Status Swap() override {
    CHECK(sealed_.has_value());
    durable_ = *std::exchange(sealed_, std::nullopt);
    Load(durable_);
    return absl::OkStatus();
  }
  std::uint64_t size_bytes() const override { return 0; }

  // The next Open() finds it so.
  void Damage() { is_damaged_ = true; }
  // What was not flushed is gone; a sealed snapshot stays.
  void Crash() { Load(durable_); }

 private:
  class Frozen final : public StateCopy {
   public:
    explicit Frozen(Pairs pairs) : pairs_(std::move(pairs)) {
      ByteWriter out;
      for (const auto& [key, value] : pairs_) {
        out.Bytes(key);
        out.Bytes(value);
      }
      stream_ = out.Take();
    }
    std::uint64_t total_bytes() const override { return stream_.size(); }
    absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) override {
      if (offset > stream_.size()) return absl::OutOfRangeError("beyond the snapshot's end");
      return stream_.substr(offset, size);
    }
    absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
      return Find(pairs_, key);
    }

   private:
    Pairs pairs_;
    std::string stream_;
  };

  static std::optional<std::string> Find(const Pairs& pairs, std::string_view key) {
    const auto found = pairs.find(key);
    if (found == pairs.end()) return std::nullopt;
    return found->second;
  }
  void Load(const Pairs& pairs) {
    kv_ = std::make_unique<state::MemoryKv>();
    for (const auto& [key, value] : pairs) kv_->Put(key, value);
    kv_->Commit();
  }

  std::unique_ptr<state::MemoryKv> kv_;
  Pairs durable_;
  std::string incoming_;
  std::optional<Pairs> sealed_;
  bool is_damaged_ = false;
};

}  // namespace coterie::node
