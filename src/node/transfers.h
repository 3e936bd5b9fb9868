#pragma once

// The snapshots that this node, as a leader, has on offer: frozen copies that followers read piece
// by piece, in their own time. At most a few at once; one that nobody reads is given up. Any
// thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "node/peers.h"
#include "node/state_storage.h"
#include "raft/message.h"

namespace coterie::node {

class Transfers {
 public:
  static constexpr std::uint64_t kGiveUpAfterUs = 10'000'000;
  // Before the first piece was asked for: the offer may have been lost on its way.
  static constexpr std::uint64_t kGiveUpUnreadAfterUs = 1'000'000;
  // A reader that is silent for so long gives way to another one.
  static constexpr std::uint64_t kIdleAfterUs = 1'000'000;
  static constexpr std::size_t kTransfersMax = 4;  // That are being read.

  struct Transfer {
    NodeId peer;
    Term term;
    std::uint64_t id = 0;
  };

  // Whether Offer() to that peer would be taken; a copy is too dear to be made in vain.
  bool HasPlaceFor(NodeId peer, std::uint64_t now_us) {
    absl::MutexLock lock(&mutex_);
    return ReadByOthers(peer, now_us) < kTransfersMax;
  }

  // False when there are too many. Takes the place of what was offered to that peer before (the
  // core never has two transfers to one) and of those whose readers are silent.
  bool Offer(const Transfer& transfer, std::unique_ptr<StateCopy> copy, std::uint64_t now_us) {
    absl::MutexLock lock(&mutex_);
    if (ReadByOthers(transfer.peer, now_us) >= kTransfersMax) return false;
    for (auto it = offers_.begin(); it != offers_.end();) {
      const auto current = it++;
      const bool is_replaced = current->second.peer == transfer.peer;
      if (!is_replaced && IsBeingRead(current->second, now_us)) continue;
      if (!is_replaced && offers_.size() < kTransfersMax) continue;
      if (!is_replaced) Abandon(current->first.second, current->second);
      offers_.erase(current);
    }
    offers_[{transfer.term, transfer.id}] = {
        .peer = transfer.peer, .copy = std::move(copy), .read_us = now_us};
    return true;
  }

  // kNotFound: there is no such transfer for this reader (any more).
  absl::StatusOr<Peers::SnapshotSlice> Read(const Transfer& transfer, std::uint64_t offset,
                                            std::size_t size, std::uint64_t now_us) {
    std::shared_ptr<StateCopy> copy;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = offers_.find({transfer.term, transfer.id});
      if (found == offers_.end() || found->second.peer != transfer.peer) {
        return absl::NotFoundError(
            absl::StrCat("no snapshot transfer ", transfer.id, " in term ", transfer.term.value()));
      }
      found->second.read_us = now_us;
      found->second.is_read = true;
      copy = found->second.copy;
      found->second.is_finished = offset + size >= copy->total_bytes();
    }
    absl::StatusOr<std::string> bytes = copy->Read(offset, size);
    if (!bytes.ok()) return bytes.status();
    return Peers::SnapshotSlice{.bytes = *std::move(bytes), .total_bytes = copy->total_bytes()};
  }

  // Forgets what nobody has read for a while, and says so to the core.
  std::vector<raft::SnapshotSent> TakeAbandoned(std::uint64_t now_us) {
    absl::MutexLock lock(&mutex_);
    for (auto it = offers_.begin(); it != offers_.end();) {
      const auto current = it++;
      const std::uint64_t patience_us =
          current->second.is_read ? kGiveUpAfterUs : kGiveUpUnreadAfterUs;
      if (now_us < current->second.read_us + patience_us) continue;
      Abandon(current->first.second, current->second);
      offers_.erase(current);
    }
    return std::exchange(abandoned_, {});
  }

 private:
  struct Offered {
    NodeId peer;
    std::shared_ptr<StateCopy> copy;
    std::uint64_t read_us = 0;  // Or offered.
    bool is_read = false;
    bool is_finished = false;  // Kept for a while, for a reader that asks for the end again.
  };
  static bool IsBeingRead(const Offered& offered, std::uint64_t now_us) {
    return !offered.is_finished && now_us < offered.read_us + kIdleAfterUs;
  }
  std::size_t ReadByOthers(NodeId peer, std::uint64_t now_us) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return static_cast<std::size_t>(
        std::count_if(offers_.begin(), offers_.end(), [&](const auto& offer) {
          return offer.second.peer != peer && IsBeingRead(offer.second, now_us);
        }));
  }
  void Abandon(std::uint64_t id, const Offered& offered) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    abandoned_.push_back({.peer = offered.peer, .transfer_id = id, .ok = false});
  }

  absl::Mutex mutex_;
  std::map<std::pair<Term, std::uint64_t>, Offered> offers_ ABSL_GUARDED_BY(mutex_);
  std::vector<raft::SnapshotSent> abandoned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::node
