#include "tests/event_watch.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <utility>

#include "runtime/status_macros.h"

namespace coterie::tests {

absl::StatusOr<std::unique_ptr<EventWatch>> EventWatch::Open(std::vector<std::string> addresses,
                                                             const std::string& user,
                                                             std::uint64_t after_revision) {
  ASSIGN_OR_RETURN(auto client, client::Client::Open({.addresses = std::move(addresses)}));
  ASSIGN_OR_RETURN(const auto login, client->Login(user, "a password that is long"));
  (void)login;
  v1::SubscribeRequest request;
  request.set_after_revision(after_revision);
  ASSIGN_OR_RETURN(auto subscription, client->Subscribe(request));
  return std::unique_ptr<EventWatch>(new EventWatch(std::move(client), std::move(subscription)));
}

EventWatch::EventWatch(std::unique_ptr<client::Client> client,
                       std::unique_ptr<client::Subscription> subscription)
    : client_(std::move(client)),
      subscription_(std::move(subscription)),
      thread_([this] { Run(); }) {}

EventWatch::~EventWatch() { subscription_->Cancel(); }

void EventWatch::Run() {
  while (true) {
    absl::StatusOr<v1::SubscribeResponse> batch = subscription_->Next();
    const absl::MutexLock lock(&mutex_);
    if (absl::IsUnavailable(batch.status())) continue;
    if (!batch.ok()) {
      if (!absl::IsCancelled(batch.status())) status_ = batch.status();
      return;
    }
    revision_ = batch->revision();
    if (batch->events_size() > 0) batches_.push_back(*std::move(batch));
  }
}

bool EventWatch::WaitForRevision(std::uint64_t revision, absl::Duration timeout) {
  const absl::MutexLock lock(&mutex_);
  const auto has_arrived = [this, revision]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return revision_ >= revision || !status_.ok();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&has_arrived), timeout);
  return revision_ >= revision;
}

std::string EventWatch::Describe() {
  const absl::MutexLock lock(&mutex_);
  return absl::StrCat("at revision ", revision_, ", reading from '", subscription_->node(),
                      "', status ", status_.ToString());
}

absl::StatusOr<std::vector<v1::SubscribeResponse>> EventWatch::Finish() {
  subscription_->Cancel();
  if (thread_.joinable()) thread_.join();
  const absl::MutexLock lock(&mutex_);
  if (!status_.ok()) return status_;
  return batches_;
}

absl::StatusOr<std::string> Replay(std::string text, std::uint64_t document,
                                   const std::vector<v1::SubscribeResponse>& batches) {
  for (const v1::SubscribeResponse& batch : batches) {
    for (const v1::Event& event : batch.events()) {
      if (event.document_changed().document_id() != document) continue;
      for (const v1::TextChange& change : event.document_changed().changes()) {
        const std::size_t position = change.position_bytes();
        const std::size_t size = change.deleted().size();
        if (position > text.size() || text.compare(position, size, change.deleted()) != 0) {
          return absl::DataLossError(
              absl::StrCat("the change of revision ", batch.revision(), " does not fit"));
        }
        text.replace(position, size, change.inserted());
      }
    }
  }
  return text;
}

}  // namespace coterie::tests
