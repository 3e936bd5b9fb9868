#pragma once

// How many sockets there are, in all and from one address, so that one visitor cannot take them
// all; and how many of them have a large message in memory. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/counters.h"

namespace coterie::gateway {

class Admission {
 public:
  struct Limits {
    std::size_t sockets_max;
    std::size_t sockets_per_address_max;
    std::size_t large_messages_max;
  };
  // `large_messages` outlives it, and is touched by nobody else: how many are in memory now.
  Admission(Limits limits, runtime::Gauge& large_messages)
      : limits_(limits), large_messages_(large_messages) {}

  // One socket's place, given back when the last copy goes. The Admission outlives it.
  class Place {
   public:
    Place(Admission& admission, std::string address)
        : admission_(admission), address_(std::move(address)) {}
    ~Place() { admission_.Release(address_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    // For one large message, given back when the last copy goes. Null if there is none.
    std::shared_ptr<void> AdmitLargeMessage() { return admission_.AdmitLargeMessage(); }

   private:
    Admission& admission_;
    const std::string address_;
  };
  // Null if there is no place.
  std::shared_ptr<Place> Admit(const std::string& address);
  std::size_t size() const;
  // Waits until all places have been given back, or the deadline.
  void WaitUntilEmpty(absl::Time deadline) const;

 private:
  void Release(const std::string& address);
  std::shared_ptr<void> AdmitLargeMessage();

  const Limits limits_;
  runtime::Gauge& large_messages_;
  mutable absl::Mutex mutex_;
  std::size_t sockets_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::size_t> of_address_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::gateway
