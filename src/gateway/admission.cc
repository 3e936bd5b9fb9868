#include "gateway/admission.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace coterie::gateway {

std::shared_ptr<Admission::Place> Admission::Admit(const std::string& address) {
  {
    absl::MutexLock lock(&mutex_);
    if (all_.sockets >= limits_.sockets_max || !TakeOf(address)) return nullptr;
    ++all_.sockets;
  }
  return std::make_shared<Place>(*this, address);
}

bool Admission::Place::MoveTo(const std::string& address) {
  if (address == address_) return true;
  absl::MutexLock lock(&admission_.mutex_);
  admission_.ReleaseOf(std::exchange(address_, {}));
  if (!admission_.TakeOf(address)) return false;
  address_ = address;
  return true;
}

bool Admission::TakeOf(const std::string& address) {
  if (address.empty()) return true;
  std::size_t& sockets = of_address_[address].sockets;
  if (sockets >= limits_.sockets_per_address_max) {
    ForgetIfNothing(address);
    return false;
  }
  ++sockets;
  return true;
}

void Admission::ReleaseOf(const std::string& address) {
  if (address.empty()) return;
  const auto found = of_address_.find(address);
  CHECK(found != of_address_.end() && found->second.sockets > 0);
  --found->second.sockets;
  ForgetIfNothing(address);
}

std::shared_ptr<void> Admission::AdmitLargeMessage() {
  const auto max = static_cast<std::int64_t>(limits_.large_messages_max);
  std::int64_t taken = gauges_.large_messages.Get();
  do {
    if (taken >= max) return nullptr;
  } while (!gauges_.large_messages.value.compare_exchange_weak(taken, taken + 1));
  return {this, [](Admission* admission) { admission->gauges_.large_messages.Add(-1); }};
}

std::shared_ptr<void> Admission::AdmitBody(const std::string& address, const std::string& user,
                                           std::size_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    const auto address_found = of_address_.find(address);
    const auto user_found = body_bytes_of_user_.find(user);
    const std::size_t of_address =
        address_found == of_address_.end() ? 0 : address_found->second.body_bytes;
    const std::size_t of_user = user_found == body_bytes_of_user_.end() ? 0 : user_found->second;
    if (all_.body_bytes + bytes > limits_.body_bytes_max ||
        std::max(of_address, of_user) + bytes > limits_.body_bytes_each_max) {
      return nullptr;
    }
    of_address_[address].body_bytes += bytes;
    body_bytes_of_user_[user] += bytes;
    all_.body_bytes += bytes;
  }
  gauges_.body_bytes.Add(static_cast<std::int64_t>(bytes));
  return {this, [address, user, bytes](Admission* admission) {
            admission->ReleaseBody(address, user, bytes);
          }};
}

void Admission::ReleaseBody(const std::string& address, const std::string& user,
                            std::size_t bytes) {
  absl::MutexLock lock(&mutex_);
  Taken& of_address = of_address_[address];
  const auto of_user = body_bytes_of_user_.find(user);
  CHECK(of_address.body_bytes >= bytes && all_.body_bytes >= bytes);
  CHECK(of_user != body_bytes_of_user_.end() && of_user->second >= bytes);
  of_address.body_bytes -= bytes;
  of_user->second -= bytes;
  all_.body_bytes -= bytes;
  gauges_.body_bytes.Add(-static_cast<std::int64_t>(bytes));
  if (of_user->second == 0) body_bytes_of_user_.erase(of_user);
  ForgetIfNothing(address);
}

std::size_t Admission::size() const {
  absl::MutexLock lock(&mutex_);
  return all_.sockets;
}

void Admission::WaitUntilEmpty(absl::Time deadline) const {
  const auto is_empty = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return all_.sockets == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&is_empty), deadline);
}

void Admission::Release(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  CHECK(all_.sockets > 0);
  --all_.sockets;
  ReleaseOf(address);
}

void Admission::ForgetIfNothing(const std::string& address) {
  const auto found = of_address_.find(address);
  if (found == of_address_.end()) return;
  if (found->second.sockets == 0 && found->second.body_bytes == 0) of_address_.erase(found);
}

}  // namespace coterie::gateway
