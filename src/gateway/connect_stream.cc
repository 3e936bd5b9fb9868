#include "gateway/connect_stream.h"

#include <absl/time/clock.h>

#include <optional>
#include <string_view>
#include <utility>

#include "coterie/v1/backup.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "coterie/v1/events.pb.h"
#include "gateway/connect_codec.h"
#include "gateway/connect_service.h"
#include "gateway/limits.h"
#include "rpc/assist_runs.h"
#include "rpc/backups.h"
#include "rpc/cluster_watch.h"
#include "rpc/event_hub.h"
#include "rpc/gate.h"
#include "rpc/status_map.h"

namespace coterie::gateway {
namespace {

constexpr std::string_view kSubscribePath = "/coterie.v1.EventService/Subscribe";
constexpr std::string_view kWatchClusterPath = "/coterie.v1.ClusterService/WatchCluster";
constexpr std::string_view kTakeBackupPath = "/coterie.v1.BackupService/TakeBackup";
constexpr int kDocumentsMax = 1'000;

absl::Status DecodeRequest(Coding coding, const HttpRequest& request,
                           google::protobuf::Message& message) {
  const absl::Status status = CheckConnectHeaders(request);
  if (!status.ok()) return status;
  const std::optional<std::string_view> data = OpenEnvelope(request.body);
  if (data) return DecodeMessage(coding, *data, message);
  return rpc::Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
                    "The request is not one enveloped message.");
}

// What a stream begins with, counted by the gate as long as it is looked at.
absl::Status ReadRequest(const rpc::Faces& faces, const rpc::Policy& policy, Coding coding,
                         const HttpRequest& request, google::protobuf::Message& message) {
  absl::Status status = faces.gate.Enter(policy, request.body.size());
  if (!status.ok()) return status;
  faces.gate.Leave(request.body.size());
  return DecodeRequest(coding, request, message);
}

// One subscriber. The hub calls on its own thread, all else happens on the shard.
class EventSubscription final : public StreamFeed,
                                public std::enable_shared_from_this<EventSubscription> {
 public:
  EventSubscription(const rpc::Faces& faces, std::shared_ptr<HttpStream> stream, Shard& shard,
                    Coding coding)
      : faces_(faces), stream_(std::move(stream)), shard_(shard), coding_(coding) {}

  void Start(const HttpRequest& request) {
    static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.EventService.Subscribe");
    v1::SubscribeRequest message;
    absl::Status status = ReadRequest(faces_, policy, coding_, request, message);
    if (status.ok() && message.documents_size() > kDocumentsMax) {
      status = rpc::Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                          "More than 1000 documents are asked for; subscribe to all and filter.");
    }
    if (!status.ok()) return End(status);
    faces_.gate.authenticator().Admit(
        policy, request.authorization, absl::Now() + kOpenTimeout,
        [self = shared_from_this(), message](absl::StatusOr<rpc::Caller> caller) {
          self->shard_.Post([self, message, caller = std::move(caller)] {
            if (!caller.ok()) return self->End(caller.status());
            self->Subscribe(*caller, message);
          });
        });
  }

  void Stop() override {
    stream_ = nullptr;
    if (feed_ == nullptr) return;
    faces_.events.Remove(feed_);
    feed_ = nullptr;
  }

 private:
  void Subscribe(const rpc::Caller& caller, const v1::SubscribeRequest& request) {
    if (stream_ == nullptr) return;
    const rpc::Texts texts = request.without_text()   ? rpc::Texts::kWithout
                             : request.with_updates() ? rpc::Texts::kWithUpdates
                                                      : rpc::Texts::kWith;
    rpc::EventFeed::Options options{
        .caller = caller,
        .after = Revision(request.after_revision()),
        .from_now = request.from_now(),
        .documents = {request.documents().begin(), request.documents().end()},
        .texts = texts};
    auto feed = std::make_shared<rpc::EventFeed>(std::move(options),
                                                 [weak = weak_from_this(), shard = &shard_] {
                                                   shard->Post([weak] {
                                                     if (const auto self = weak.lock())
                                                       self->Pump();
                                                   });
                                                 });
    if (absl::Status status = faces_.events.Add(feed); !status.ok()) return End(status);
    feed_ = std::move(feed);
    Pump();
  }

  void Pump() {
    if (feed_ == nullptr || stream_ == nullptr || is_writing_) return;
    const rpc::EventFeed::Taken taken = feed_->Take();
    if (taken.message) {
      is_writing_ = true;
      stream_->Write(Envelope(Encode(taken.message->view())), [self = shared_from_this()] {
        self->is_writing_ = false;
        self->Pump();
      });
    } else if (!taken.ended.ok()) {
      End(taken.ended);
    } else if (taken.wants_page) {
      faces_.events.Drained(feed_);
    }
  }

  // The feed has the bytes of a v1::SubscribeResponse.
  std::string Encode(std::string_view message) const {
    if (coding_ == Coding::kProto) return std::string(message);
    v1::SubscribeResponse response;
    response.ParseFromArray(message.data(), static_cast<int>(message.size()));
    return EncodeMessage(Coding::kJson, response);
  }

  void End(const absl::Status& status) {
    const std::shared_ptr<HttpStream> stream = stream_;
    Stop();
    if (stream == nullptr) return;
    stream->Write(EndEnvelope(status), [stream] { stream->End(); });
  }

  const rpc::Faces faces_;
  std::shared_ptr<HttpStream> stream_;  // Null when stopped.
  Shard& shard_;
  const Coding coding_;
  std::shared_ptr<rpc::EventFeed> feed_;
  bool is_writing_ = false;
};

// One who watches the cluster. The watch calls on its own thread, all else happens on the shard.
class ClusterFeed final : public StreamFeed, public std::enable_shared_from_this<ClusterFeed> {
 public:
  ClusterFeed(const rpc::Faces& faces, std::shared_ptr<HttpStream> stream, Shard& shard,
              Coding coding)
      : faces_(faces), stream_(std::move(stream)), shard_(shard), coding_(coding) {}

  void Start(const HttpRequest& request) {
    static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.ClusterService.WatchCluster");
    v1::WatchClusterRequest message;
    const absl::Status status = ReadRequest(faces_, policy, coding_, request, message);
    if (!status.ok()) return End(status);
    const rpc::WatchScope scope =
        message.local_only() ? rpc::WatchScope::kNode : rpc::WatchScope::kCluster;
    faces_.gate.authenticator().Admit(
        policy, request.authorization, absl::Now() + kOpenTimeout,
        [self = shared_from_this(), authorization = request.authorization,
         scope](absl::StatusOr<rpc::Caller> caller) {
          self->shard_.Post([self, authorization, scope, caller = std::move(caller)] {
            if (!caller.ok()) return self->End(caller.status());
            self->Watch({.caller = *caller, .authorization = authorization, .scope = scope});
          });
        });
  }

  void Stop() override {
    stream_ = nullptr;
    if (feed_ != nullptr) faces_.watch.Remove(std::exchange(feed_, nullptr));
  }

 private:
  void Watch(rpc::WatchFeed::Options options) {
    if (stream_ == nullptr) return;
    auto feed = std::make_shared<rpc::WatchFeed>(std::move(options),
                                                 [weak = weak_from_this(), shard = &shard_] {
                                                   shard->Post([weak] {
                                                     if (const auto self = weak.lock())
                                                       self->Pump();
                                                   });
                                                 });
    if (absl::Status status = faces_.watch.Add(feed); !status.ok()) return End(status);
    feed_ = std::move(feed);
    Pump();
  }

  void Pump() {
    if (feed_ == nullptr || stream_ == nullptr || is_writing_) return;
    const rpc::WatchFeed::Taken taken = feed_->Take();
    if (taken.message) {
      is_writing_ = true;
      stream_->Write(Envelope(Encode(taken.message->view())), [self = shared_from_this()] {
        self->is_writing_ = false;
        self->Pump();
      });
    } else if (!taken.ended.ok()) {
      End(taken.ended);
    }
  }

  // The feed has the bytes of a v1::WatchClusterResponse.
  std::string Encode(std::string_view message) const {
    if (coding_ == Coding::kProto) return std::string(message);
    v1::WatchClusterResponse response;
    response.ParseFromArray(message.data(), static_cast<int>(message.size()));
    return EncodeMessage(Coding::kJson, response);
  }

  void End(const absl::Status& status) {
    const std::shared_ptr<HttpStream> stream = stream_;
    Stop();
    if (stream == nullptr) return;
    stream->Write(EndEnvelope(status), [stream] { stream->End(); });
  }

  const rpc::Faces faces_;
  std::shared_ptr<HttpStream> stream_;  // Null when stopped.
  Shard& shard_;
  const Coding coding_;
  std::shared_ptr<rpc::WatchFeed> feed_;
  bool is_writing_ = false;
};

// One backup, read on a thread that may wait for the disk, and no faster than the client takes it.
// Who takes nothing is cut off by the stream.
class BackupFeed final : public StreamFeed, public std::enable_shared_from_this<BackupFeed> {
 public:
  BackupFeed(const rpc::Faces& faces, std::shared_ptr<HttpStream> stream, Shard& shard,
             Coding coding)
      : faces_(faces), stream_(std::move(stream)), shard_(shard), coding_(coding) {}

  void Start(const HttpRequest& request) {
    static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.BackupService.TakeBackup");
    v1::TakeBackupRequest message;
    const absl::Status status = ReadRequest(faces_, policy, coding_, request, message);
    if (!status.ok()) return End(status);
    faces_.backups.Begin(
        request.authorization,
        [self = shared_from_this()](absl::StatusOr<std::shared_ptr<rpc::BackupRun>> run) {
          self->shard_.Post([self, run = std::move(run)] {
            if (!run.ok()) return self->End(run.status());
            if (self->stream_ == nullptr) return;
            self->run_ = *run;
            self->Pump();
          });
        });
  }

  void Stop() override {
    stream_ = nullptr;
    run_ = nullptr;
  }

 private:
  void Pump() {
    if (stream_ == nullptr) return;
    faces_.backups.ReadNext(run_, [self = shared_from_this()](absl::StatusOr<std::string> piece) {
      self->shard_.Post([self, piece = std::move(piece)] { self->Send(piece); });
    });
  }

  void Send(const absl::StatusOr<std::string>& piece) {
    if (!piece.ok() || piece->empty()) return End(piece.status());
    if (stream_ == nullptr) return;
    v1::TakeBackupResponse response;
    response.set_data(*piece);
    stream_->Write(Envelope(EncodeMessage(coding_, response)),
                   [self = shared_from_this()] { self->Pump(); });
  }

  void End(const absl::Status& status) {
    const std::shared_ptr<HttpStream> stream = stream_;
    Stop();
    if (stream == nullptr) return;
    stream->Write(EndEnvelope(status), [stream] { stream->End(); });
  }

  const rpc::Faces faces_;
  std::shared_ptr<HttpStream> stream_;  // Null when stopped.
  Shard& shard_;
  const Coding coding_;
  std::shared_ptr<rpc::BackupRun> run_;  // Null before it has begun.
};

// One task of AssistService. The task's thread says when there is something to take.
class AssistFeed final : public StreamFeed, public std::enable_shared_from_this<AssistFeed> {
 public:
  AssistFeed(std::shared_ptr<HttpStream> stream, Shard& shard, Coding coding)
      : stream_(std::move(stream)), shard_(shard), coding_(coding) {}

  void Start(rpc::AssistRuns& runs, const rpc::AssistRuns::Method& method,
             const HttpRequest& request) {
    run_ = runs.NewRun({.changed =
                            [weak = weak_from_this(), shard = &shard_] {
                              shard->Post([weak] {
                                if (const auto self = weak.lock()) self->Pump();
                              });
                            },
                        .cut_off = {}});  // The socket has a limit of its own.
    absl::Status status = runs.Enter(method, request.body.size());
    const rpc::AssistRuns::MessagePtr message = method.make_request();
    if (status.ok()) status = DecodeRequest(coding_, request, *message);
    if (!status.ok()) return run_->End(status);
    const absl::Duration timeout =
        TimeoutOf(request, *method.policy).value_or(absl::Seconds(method.policy->seconds_max));
    runs.Start(method,
               {.authorization = request.authorization,
                .deadline = absl::Now() + timeout,
                .message = message},
               run_);
  }

  void Stop() override {
    stream_ = nullptr;
    run_->Cancel();
  }

 private:
  void Pump() {
    if (stream_ == nullptr || is_writing_) return;
    const rpc::AssistRun::Taken taken = run_->Take();
    if (taken.event) {
      is_writing_ = true;
      stream_->Write(Envelope(EncodeMessage(coding_, *taken.event)), [self = shared_from_this()] {
        self->is_writing_ = false;
        self->Pump();
      });
    } else if (taken.end) {
      const std::shared_ptr<HttpStream> stream = std::exchange(stream_, nullptr);
      stream->Write(EndEnvelope(*taken.end), [stream] { stream->End(); });
    }
  }

  std::shared_ptr<HttpStream> stream_;  // Null when it is over.
  Shard& shard_;
  const Coding coding_;
  std::shared_ptr<rpc::AssistRun> run_;
  bool is_writing_ = false;
};

}  // namespace

bool IsStreamPath(const rpc::Faces& faces, const std::string& path) {
  return path == kSubscribePath || path == kWatchClusterPath || path == kTakeBackupPath ||
         faces.assist.Find(MethodName(path)) != nullptr;
}

HttpResponse StreamHead(const HttpRequest& request) {
  const bool is_known = StreamCoding(request.content_type).has_value();
  if (!is_known) {
    return TextResponse(415, "Send application/connect+json or application/connect+proto.\n");
  }
  return {.status = 200, .content_type = request.content_type, .headers = {}, .body = {}};
}

std::shared_ptr<StreamFeed> ServeStream(const rpc::Faces& faces, const HttpRequest& request,
                                        const std::shared_ptr<HttpStream>& stream, Shard& shard) {
  const Coding coding = StreamCoding(request.content_type).value_or(Coding::kJson);
  if (request.target.path == kSubscribePath) {
    auto feed = std::make_shared<EventSubscription>(faces, stream, shard, coding);
    feed->Start(request);
    return feed;
  }
  if (request.target.path == kWatchClusterPath) {
    auto feed = std::make_shared<ClusterFeed>(faces, stream, shard, coding);
    feed->Start(request);
    return feed;
  }
  if (request.target.path == kTakeBackupPath) {
    auto feed = std::make_shared<BackupFeed>(faces, stream, shard, coding);
    feed->Start(request);
    return feed;
  }
  auto feed = std::make_shared<AssistFeed>(stream, shard, coding);
  feed->Start(faces.assist, *faces.assist.Find(MethodName(request.target.path)), request);
  return feed;
}

}  // namespace coterie::gateway
