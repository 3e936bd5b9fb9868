#include "client/subscription.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"
#include "client/error_detail.h"
#include "client/probe.h"
#include "coterie/v1/events.grpc.pb.h"
#include "runtime/status_macros.h"

namespace coterie::client {
namespace {

// gRPC's own flow control holds back what does not fit.
constexpr std::size_t kQueuedMax = 64;
// Silence after which the node is asked whether it lives.
constexpr absl::Duration kSilenceMax = absl::Seconds(2);
// How often a waiting Next() looks for Cancel() and for signs of life.
constexpr absl::Duration kCheckEvery = absl::Milliseconds(200);

}  // namespace

// One stream from one node. The owner calls Take() and then Finish() once; gRPC's threads the rest.
class Subscription::Stream final : private grpc::ClientReadReactor<v1::SubscribeResponse> {
 public:
  Stream(std::shared_ptr<Connection> connection, std::string token,
         const v1::SubscribeRequest& request)
      : connection_(std::move(connection)),
        token_(std::move(token)),
        request_(request),
        stub_(v1::EventService::NewStub(connection_->channel())),
        last_heard_(absl::Now()) {
    Prepare(context_, token_, absl::InfiniteFuture());
    stub_->async()->Subscribe(&context_, &request_, this);
    AddHold();  // Take() starts reads from outside of reactions; Finish() removes it.
    StartRead(&incoming_);
    StartCall();
  }
  ~Stream() override { CHECK(done_.HasBeenNotified()); }

  enum class Taken { kMessage, kNothing, kEnded };
  Taken Take(absl::Time deadline, v1::SubscribeResponse& message) {
    bool resume = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(this, &Stream::IsReady), deadline);
      if (queue_.empty()) return has_ended_ ? Taken::kEnded : Taken::kNothing;
      message = std::move(queue_.front());
      queue_.pop_front();
      resume = std::exchange(is_paused_, false);
    }
    if (resume) StartRead(&incoming_);
    return Taken::kMessage;
  }

  // False when the node has been silent and then did not answer a question either.
  bool SeemsAlive() {
    absl::MutexLock lock(&mutex_);
    if (absl::Now() - last_heard_ < kSilenceMax) return true;
    if (probe_ == nullptr) probe_ = std::make_unique<Probe>(connection_, token_);
    if (!probe_->HasAnswer()) return true;
    is_silent_ = !probe_->IsAlive();
    probe_.reset();
    last_heard_ = absl::Now();
    return !is_silent_;
  }

  // Ends the stream and waits for that. What gRPC, or the probe, said.
  absl::Status Finish() {
    probe_.reset();
    context_.TryCancel();
    RemoveHold();
    done_.WaitForNotification();
    if (is_silent_) return absl::UnavailableError("the node has stopped answering");
    return FromGrpc(status_);
  }
  const std::string& address() const { return connection_->address(); }

 private:
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return has_ended_ || !queue_.empty();
  }

  void OnReadDone(bool ok) override {
    bool go_on = false;
    {
      absl::MutexLock lock(&mutex_);
      has_ended_ = !ok;
      if (ok) {
        last_heard_ = absl::Now();
        queue_.push_back(std::move(incoming_));
        go_on = queue_.size() < kQueuedMax;
        is_paused_ = !go_on;
      }
    }
    if (go_on) StartRead(&incoming_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();  // The last touch: Finish() may destroy this now.
  }

  const std::shared_ptr<Connection> connection_;
  const std::string token_;
  const v1::SubscribeRequest request_;
  const std::unique_ptr<v1::EventService::Stub> stub_;
  grpc::ClientContext context_;
  v1::SubscribeResponse incoming_;
  std::unique_ptr<Probe> probe_;
  bool is_silent_ = false;
  absl::Mutex mutex_;
  std::deque<v1::SubscribeResponse> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_heard_ ABSL_GUARDED_BY(mutex_);
  bool is_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_ended_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_;
  absl::Notification done_;
};

Subscription::Subscription(std::shared_ptr<Nodes> nodes, v1::SubscribeRequest request)
    : nodes_(std::move(nodes)), request_(std::move(request)) {
  CHECK(!request_.from_now());
}

Subscription::~Subscription() {
  if (stream_ != nullptr) stream_->Finish().IgnoreError();
}

absl::Status Subscription::OpenStream(absl::Time deadline) {
  if (!tour_) tour_.emplace(*nodes_, deadline);
  tour_->SetDeadline(std::min(deadline, absl::Now() + kCheckEvery));
  std::shared_ptr<Connection> connection = tour_->Next();
  if (connection != nullptr) {
    stream_ = std::make_unique<Stream>(std::move(connection), nodes_->token(), request_);
    return absl::OkStatus();
  }
  if (nodes_->IsClosed()) return tour_->Failure();
  if (tour_->IsUnreachable()) {
    const absl::Status failure = tour_->Failure();
    tour_.reset();
    return failure;
  }
  return absl::OkStatus();  // Next() looks at the deadline and comes again.
}

absl::Status Subscription::CloseStream(const absl::Status& why) {
  CHECK(!why.ok());
  if (!tour_) tour_.emplace(*nodes_, absl::InfiniteFuture());
  tour_->ComesFrom(stream_->address());
  stream_.reset();
  ++resumptions_;
  return tour_->Absorb(why) ? absl::OkStatus() : why;
}

absl::StatusOr<v1::SubscribeResponse> Subscription::Next(absl::Time deadline) {
  for (;;) {
    if (cancelled_) return absl::CancelledError("the subscription was cancelled");
    if (stream_ == nullptr) RETURN_IF_ERROR(OpenStream(deadline));
    v1::SubscribeResponse message;
    Stream::Taken taken = Stream::Taken::kNothing;
    if (stream_ != nullptr) {
      taken = stream_->Take(std::min(deadline, absl::Now() + kCheckEvery), message);
    }
    if (taken == Stream::Taken::kMessage) {
      nodes_->Succeeded(stream_->address());
      tour_.reset();
      if (message.revision() <= request_.after_revision()) continue;  // Had it from another node.
      request_.set_after_revision(message.revision());
      return message;
    }
    if (taken == Stream::Taken::kEnded || (stream_ != nullptr && !stream_->SeemsAlive())) {
      absl::Status why = stream_->Finish();
      // An end without an error is a node that stops.
      if (why.ok()) why = absl::UnavailableError("the node has ended the stream");
      RETURN_IF_ERROR(CloseStream(why));
      continue;
    }
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("no event by then");
  }
}

void Subscription::Cancel() { cancelled_ = true; }

std::string Subscription::node() const {
  return stream_ == nullptr ? std::string() : stream_->address();
}

}  // namespace coterie::client
