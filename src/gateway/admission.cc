#include "gateway/admission.h"

#include <cstdint>

#include "base/check.h"

namespace coterie::gateway {

std::shared_ptr<Admission::Place> Admission::Admit(const std::string& address) {
  {
    absl::MutexLock lock(&mutex_);
    if (sockets_ >= limits_.sockets_max) return nullptr;
    std::size_t& of_address = of_address_[address];
    if (of_address >= limits_.sockets_per_address_max) return nullptr;
    ++of_address;
    ++sockets_;
  }
  return std::make_shared<Place>(*this, address);
}

std::shared_ptr<void> Admission::AdmitLargeMessage() {
  const auto max = static_cast<std::int64_t>(limits_.large_messages_max);
  std::int64_t taken = large_messages_.Get();
  do {
    if (taken >= max) return nullptr;
  } while (!large_messages_.value.compare_exchange_weak(taken, taken + 1));
  return {this, [](Admission* admission) { admission->large_messages_.Add(-1); }};
}

std::size_t Admission::size() const {
  absl::MutexLock lock(&mutex_);
  return sockets_;
}

void Admission::WaitUntilEmpty(absl::Time deadline) const {
  const auto is_empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return sockets_ == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&is_empty), deadline);
}

void Admission::Release(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  const auto found = of_address_.find(address);
  CHECK(found != of_address_.end() && sockets_ > 0);
  --sockets_;
  if (--found->second == 0) of_address_.erase(found);
}

}  // namespace coterie::gateway
