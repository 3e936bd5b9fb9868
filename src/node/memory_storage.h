#pragma once

// The simulated StateStorage: what is durable is a map, what is in use another; Crash() makes the
// one the other. Like a real store it also writes by itself, whenever its buffer is full: what is
// durable may be newer than the last Flush(), but is always what some Commit() left. For tests and
// the simulator. Owner: one thread.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "node/state_storage.h"
#include "runtime/status_macros.h"
#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::node {

class MemoryStorage final : public StateStorage {
 public:
  using Pairs = std::map<std::string, std::string, std::less<>>;

  MemoryStorage() { Load({}); }

  // While it is full it accepts nothing that needs room on the disk.
  void SetFull(bool is_full) { is_full_ = kv_->is_full = is_full; }

  absl::Status Open(Index log_start) override {
    if (is_damaged_) return absl::DataLossError("a block of the state does not fit its checksum");
    const std::optional<std::string> value = Find(kv_->durable(), state::kAppliedKey);
    const std::optional<state::Applied> applied =
        value ? state::DecodeApplied(*value) : std::nullopt;
    if (sealed_ && (applied ? applied->index : Index()) < log_start) return Swap();
    sealed_.reset();
    Load(kv_->durable());
    return absl::OkStatus();
  }
  absl::Status Discard() override {
    Load({});
    sealed_.reset();
    is_damaged_ = false;
    return absl::OkStatus();
  }
  state::Kv& kv() override { return *kv_; }

  absl::Status Flush() override {
    RETURN_IF_ERROR(NeedRoom());
    kv_->Flush();
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const override {
    return Find(kv_->durable(), key);
  }
  absl::StatusOr<std::unique_ptr<StateCopy>> Copy() override {
    return std::make_unique<Frozen>(kv_->committed());
  }

  absl::Status BeginInstall() override {
    incoming_.clear();
    return absl::OkStatus();
  }
  absl::Status Write(std::string_view bytes) override {
    RETURN_IF_ERROR(NeedRoom());
    incoming_.append(bytes);
    return absl::OkStatus();
  }
  absl::Status Seal() override {
    RETURN_IF_ERROR(NeedRoom());
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
    Load(*std::exchange(sealed_, std::nullopt));
    return absl::OkStatus();
  }
  std::uint64_t size_bytes() const override { return 0; }
  std::uint64_t wanted_bytes() const override { return wanted; }
  bool lacks_room() const override { return false; }
  void StopWaiting() override {}
  std::uint64_t wanted = 0;  // What wanted_bytes() says.

  // The next Open() finds it so.
  void Damage() { is_damaged_ = true; }
  // What was not flushed is gone; a sealed snapshot stays.
  void Crash() { Load(kv_->durable()); }

 private:
  // Odd, so that of two commits that belong together now the one and now the other meets it.
  static constexpr std::uint64_t kCommitsPerOwnFlush = 17;

  class Buffered final : public state::Kv {
   public:
    explicit Buffered(Pairs durable) : durable_(std::move(durable)) {
      for (const auto& [key, value] : durable_) kv_.Put(key, value);
      kv_.Commit();
    }
    std::optional<std::string> Get(std::string_view key) const override { return kv_.Get(key); }
    void Scan(std::string_view first, std::string_view end, const Visitor& visit) const override {
      kv_.Scan(first, end, visit);
    }
    void Put(std::string_view key, std::string_view value) override {
      kv_.Put(key, value);
      uncommitted_.emplace(key);
    }
    void Delete(std::string_view key) override {
      kv_.Delete(key);
      uncommitted_.emplace(key);
    }
    void Commit() override {
      kv_.Commit();
      unflushed_.merge(uncommitted_);
      uncommitted_.clear();
      if (++commits_ % kCommitsPerOwnFlush == 0 && !is_full) Flush();
    }
    // What is not committed is not flushed either.
    void Flush() {
      for (const std::string& key : unflushed_) {
        const auto found = kv_.committed().find(key);
        if (found == kv_.committed().end()) {
          durable_.erase(key);
        } else {
          durable_.insert_or_assign(key, found->second);
        }
      }
      unflushed_.clear();
    }
    const Pairs& durable() const { return durable_; }
    const Pairs& committed() const { return kv_.committed(); }

    bool is_full = false;

   private:
    state::MemoryKv kv_;
    Pairs durable_;
    std::set<std::string> uncommitted_;
    std::set<std::string> unflushed_;
    std::uint64_t commits_ = 0;
  };

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
  absl::Status NeedRoom() const {
    return is_full_ ? absl::ResourceExhaustedError("the disk is full") : absl::OkStatus();
  }
  void Load(Pairs durable) {
    kv_ = std::make_unique<Buffered>(std::move(durable));
    kv_->is_full = is_full_;
  }

  std::unique_ptr<Buffered> kv_;
  std::string incoming_;
  std::optional<Pairs> sealed_;
  bool is_full_ = false;
  bool is_damaged_ = false;
};

}  // namespace coterie::node
