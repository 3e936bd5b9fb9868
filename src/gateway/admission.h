#pragma once

// How many sockets there are and how much of requests is being read, in all, from one address and
// (what is read) of one user, so that one visitor cannot take everything; and how many sockets have
// a large message in memory. Any thread.

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
    std::size_t body_bytes_max;
    std::size_t body_bytes_each_max;  // Of one address, of one user.
  };
  // What there is now. They outlive it, and are touched by nobody else.
  struct Gauges {
    runtime::Gauge& large_messages;
    runtime::Gauge& body_bytes;
  };
  Admission(Limits limits, Gauges gauges) : limits_(limits), gauges_(gauges) {}

  // One socket's place, given back when the last copy goes. The Admission outlives it.
  class Place {
   public:
    Place(Admission& admission, std::string address)
        : admission_(admission), address_(std::move(address)) {}
    // Whose it is from now on: a proxy's connection is of whoever asks. False if that address has
    // too many; then it is nobody's. One thread at a time.
    bool MoveTo(const std::string& address);
    // Whose it is; one thread at a time.
    const std::string& address() const { return address_; }
    ~Place() { admission_.Release(address_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    // For one large message, given back when the last copy goes. Null if there is none.
    std::shared_ptr<void> AdmitLargeMessage() { return admission_.AdmitLargeMessage(); }
    // For the body of a request of `user`, the same way.
    std::shared_ptr<void> AdmitBody(const std::string& user, std::size_t bytes) {
      return admission_.AdmitBody(address_, user, bytes);
    }

   private:
    Admission& admission_;
    std::string address_;
  };
  // Null if there is no place. An empty address is nobody's: only how many there are in all counts.
  std::shared_ptr<Place> Admit(const std::string& address);
  std::size_t size() const;
  // Waits until all places have been given back, or the deadline.
  void WaitUntilEmpty(absl::Time deadline) const;

 private:
  void Release(const std::string& address);
  std::shared_ptr<void> AdmitLargeMessage();
  std::shared_ptr<void> AdmitBody(const std::string& address, const std::string& user,
                                  std::size_t bytes);
  void ReleaseBody(const std::string& address, const std::string& user, std::size_t bytes);

  struct Taken {
    std::size_t sockets = 0;
    std::size_t body_bytes = 0;
  };
  bool TakeOf(const std::string& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseOf(const std::string& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIfNothing(const std::string& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  const Gauges gauges_;
  mutable absl::Mutex mutex_;
  Taken all_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Taken> of_address_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::size_t> body_bytes_of_user_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::gateway
