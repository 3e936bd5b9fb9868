#include "client/attachment.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "client/error_detail.h"
#include "coterie/v1/presence.grpc.pb.h"

namespace coterie::client {
namespace {

// The first answer waits for a JOIN in the log, the later ones for nothing.
constexpr absl::Duration kFirstAnswerMax = absl::Seconds(3);
constexpr absl::Duration kAnswerMax = absl::Milliseconds(1500);
constexpr absl::Duration kHeartbeatMax = absl::Seconds(3);
// How long leaving may take before it is left to the lease.
constexpr absl::Duration kLeaveMax = absl::Milliseconds(700);
constexpr absl::Duration kCheckEvery = absl::Milliseconds(200);

}  // namespace

// One stream to one node. Its state is guarded by the attachment's mutex; reactions run on gRPC's
// threads, the rest on the attachment's.
class Attachment::Stream final
    : private grpc::ClientBidiReactor<v1::AttachRequest, v1::AttachResponse> {
 public:
  Stream(absl::Mutex& mutex, std::shared_ptr<Connection> connection, const std::string& token)
      : mutex_(mutex),
        connection_(std::move(connection)),
        stub_(v1::PresenceService::NewStub(connection_->channel())) {
    Prepare(context_, token, absl::InfiniteFuture());
    stub_->async()->Attach(&context_, this);
    AddHold();  // Writes start outside of reactions; Finish() removes it.
    StartRead(&incoming_);
    StartCall();
  }
  ~Stream() override { CHECK(done_.HasBeenNotified()); }

  // Requires !is_writing.
  void Write(v1::AttachRequest request) {
    {
      absl::MutexLock lock(&mutex_);
      CHECK(!is_writing);
      is_writing = true;
      written_at = absl::Now();
      if (unanswered_since == absl::InfiniteFuture()) unanswered_since = written_at;
    }
    outgoing_ = std::move(request);
    StartWrite(&outgoing_);
  }

  // Says goodbye, so that nobody waits for the lease.
  void Leave() {
    {
      absl::MutexLock lock(&mutex_);
      const absl::Condition written(
          +[](bool* writing) { return !*writing; }, &is_writing);
      if (!mutex_.AwaitWithTimeout(written, kLeaveMax)) return;
    }
    StartWritesDone();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&has_ended), kLeaveMax);
  }

  absl::Status Finish() {
    context_.TryCancel();
    RemoveHold();
    done_.WaitForNotification();
    return FromGrpc(status_);
  }

  const std::string& address() const { return connection_->address(); }

  bool is_writing = false;
  bool has_ended = false;
  absl::Time written_at = absl::InfinitePast();
  absl::Time unanswered_since = absl::InfiniteFuture();
  std::optional<v1::AttachResponse> news;  // Newest wins.

 private:
  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      has_ended = !ok;
      if (ok) {
        unanswered_since = absl::InfiniteFuture();
        news = std::move(incoming_);
      }
    }
    if (ok) StartRead(&incoming_);
  }
  void OnWriteDone(bool /*ok*/) override {
    absl::MutexLock lock(&mutex_);
    is_writing = false;  // A failed write is followed by a failed read.
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();  // The last touch.
  }

  absl::Mutex& mutex_;
  const std::shared_ptr<Connection> connection_;
  const std::unique_ptr<v1::PresenceService::Stub> stub_;
  grpc::ClientContext context_;
  v1::AttachResponse incoming_;
  v1::AttachRequest outgoing_;
  grpc::Status status_;
  absl::Notification done_;
};

Attachment::Attachment(std::shared_ptr<Nodes> nodes, Options options)
    : nodes_(std::move(nodes)),
      options_(std::move(options)),
      activity_(options_.activity),
      document_(options_.document),
      thread_([this] { Run(); }) {}

Attachment::~Attachment() {
  {
    absl::MutexLock lock(&mutex_);
    is_closing_ = true;
  }
  thread_.join();
}

void Attachment::Set(v1::Activity activity, const v1::DocumentRef& document) {
  absl::MutexLock lock(&mutex_);
  activity_ = activity;
  document_ = document;
  ++changes_;
}

absl::Status Attachment::WaitUntilAttached(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const absl::Condition decided(
      +[](Attachment* self) { return self->is_attached_ || !self->status_.ok(); }, this);
  if (!mutex_.AwaitWithDeadline(decided, deadline)) {
    return absl::DeadlineExceededError("no node has confirmed the session's presence yet");
  }
  return status_;
}

absl::Status Attachment::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

v1::AttachRequest Attachment::Request() const {
  v1::AttachRequest request;
  request.set_lease_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(options_.lease)));
  request.set_activity(activity_);
  *request.mutable_document() = document_;
  return request;
}

absl::Status Attachment::Serve(Stream& stream) {
  const absl::Duration heartbeat = std::min(options_.lease / 4, kHeartbeatMax);
  std::optional<std::uint64_t> sent;  // The number of the change last sent; empty = nothing yet.
  bool is_answered = false;
  for (;;) {
    std::optional<v1::AttachRequest> to_send;
    std::optional<v1::AttachResponse> news;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [&] {
        return is_closing_ || stream.has_ended || stream.news.has_value() ||
               (!stream.is_writing && sent != changes_);
      };
      mutex_.AwaitWithTimeout(absl::Condition(&has_work), kCheckEvery);
      if (is_closing_) return absl::OkStatus();
      news = std::exchange(stream.news, std::nullopt);
      is_answered = is_answered || news.has_value();
      is_attached_ = is_attached_ || is_answered;
      const absl::Time now = absl::Now();
      if (stream.has_ended && !news) return absl::UnavailableError("the node has ended the stream");
      if (now - stream.unanswered_since > (is_answered ? kAnswerMax : kFirstAnswerMax)) {
        return absl::UnavailableError("the node has stopped answering");
      }
      if (!stream.is_writing && (sent != changes_ || now - stream.written_at >= heartbeat)) {
        to_send = Request();
        sent = changes_;
      }
    }
    if (to_send) stream.Write(*std::move(to_send));
    if (!news) continue;
    nodes_->Succeeded(stream.address());
    if (options_.on_presence) options_.on_presence(*news);
  }
}

void Attachment::Run() {
  std::optional<Tour> tour;
  for (;;) {
    if (absl::MutexLock lock(&mutex_); is_closing_) return;
    if (nodes_->IsClosed()) return;
    if (!tour || tour->IsUnreachable()) tour.emplace(*nodes_, absl::InfiniteFuture());
    tour->SetDeadline(absl::Now() + kCheckEvery);
    std::shared_ptr<Connection> connection = tour->Next();
    if (connection == nullptr) continue;

    Stream stream(mutex_, std::move(connection), nodes_->token());
    const absl::Status broken = Serve(stream);
    if (broken.ok()) stream.Leave();
    absl::Status why = stream.Finish();
    if (broken.ok()) return;
    if (why.ok() || absl::IsCancelled(why)) why = broken;
    if (tour->Absorb(why)) continue;
    absl::MutexLock lock(&mutex_);
    status_ = why;
    return;
  }
}

}  // namespace coterie::client
