#include "gateway/connect_service.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_replace.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "coterie/v1/events.pb.h"
#include "gateway/connect_codec.h"
#include "gateway/limits.h"
#include "rpc/event_hub.h"
#include "rpc/gate.h"
#include "rpc/method_table.h"
#include "rpc/status_map.h"

namespace coterie::gateway {
namespace {

constexpr int kDocumentsMax = 1'000;

HttpResponse ErrorResponse(const absl::Status& error) {
  return JsonResponse(HttpStatusOf(error), ErrorJson(error));
}

// "/coterie.v1.AuthService/Login" names the method "coterie.v1.AuthService.Login".
std::string MethodName(std::string path) {
  path.erase(0, 1);
  std::replace(path.begin(), path.end(), '/', '.');
  return path;
}

absl::Time DeadlineOf(const HttpRequest& request, const rpc::Policy& policy) {
  std::uint64_t timeout_ms = 0;
  const absl::Time now = absl::Now();
  if (!absl::SimpleAtoi(request.connect_timeout_ms, &timeout_ms)) {
    return now + absl::Seconds(rpc::kSecondsDefault);
  }
  return now + std::min(absl::Milliseconds(static_cast<std::int64_t>(timeout_ms)),
                        absl::Duration(absl::Seconds(policy.seconds_max)));
}

absl::Status RefuseEncoding(const HttpRequest& request) {
  if (request.content_encoding.empty() || request.content_encoding == "identity") {
    return absl::OkStatus();
  }
  return rpc::Error(absl::StatusCode::kUnimplemented, "UNIMPLEMENTED",
                    "Requests are not decompressed; send them as they are.");
}

}  // namespace

const rpc::Policy* PolicyOfPath(const std::string& path) {
  return path.size() < 2 ? nullptr : rpc::FindPolicy(MethodName(path));
}

void ServeUnary(const rpc::Faces& faces, const HttpRequest& request,
                std::function<void(HttpResponse)> done) {
  const rpc::MethodTable::Method* method = faces.methods.Find(MethodName(request.target.path));
  if (method == nullptr) {
    return done(ErrorResponse(rpc::Error(absl::StatusCode::kUnimplemented, "UNIMPLEMENTED",
                                         "There is no such unary method over HTTP.")));
  }
  const std::optional<Coding> coding = UnaryCoding(request.content_type);
  if (!coding) {
    HttpResponse unsupported = TextResponse(
        415, "Send application/json or application/proto, as the Connect protocol has it.\n");
    unsupported.headers.emplace_back("Accept-Post", "application/json, application/proto");
    return done(std::move(unsupported));
  }
  absl::Status status = RefuseEncoding(request);
  if (!status.ok()) return done(ErrorResponse(status));
  status = faces.gate.Enter(*method->policy, request.body.size());
  if (!status.ok()) return done(ErrorResponse(status));
  rpc::MethodTable::MessagePtr message = method->make_request();
  status = DecodeMessage(*coding, request.body, *message);
  if (!status.ok()) {
    faces.gate.Leave(request.body.size());
    return done(ErrorResponse(status));
  }
  rpc::Invoke(
      faces.gate, *method,
      {.authorization = request.authorization,
       .deadline = DeadlineOf(request, *method->policy),
       .request_bytes = request.body.size()},
      std::move(message),
      [coding = *coding,
       done = std::move(done)](absl::StatusOr<rpc::MethodTable::MessagePtr> response) {
        if (!response.ok()) return done(ErrorResponse(response.status()));
        done({.status = 200,
              .content_type = coding == Coding::kJson ? "application/json" : "application/proto",
              .headers = {},
              .body = Blob(EncodeMessage(coding, **response))});
      });
}

HttpResponse SubscriptionHead(const HttpRequest& request) {
  const bool is_known = StreamCoding(request.content_type).has_value();
  if (!is_known) {
    return TextResponse(415, "Send application/connect+json or application/connect+proto.\n");
  }
  return {.status = 200, .content_type = request.content_type, .headers = {}, .body = {}};
}

namespace {

// One subscriber. The hub calls on its own thread, all else happens on the shard.
class EventSubscription final : public Subscription,
                                public std::enable_shared_from_this<EventSubscription> {
 public:
  EventSubscription(const rpc::Faces& faces, std::shared_ptr<HttpStream> stream, Shard& shard,
                    Coding coding)
      : faces_(faces), stream_(std::move(stream)), shard_(shard), coding_(coding) {}

  void Start(const HttpRequest& request) {
    static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.EventService.Subscribe");
    v1::SubscribeRequest message;
    absl::Status status = faces_.gate.Enter(policy, request.body.size());
    if (status.ok()) {
      faces_.gate.Leave(request.body.size());
      const std::optional<std::string_view> data = OpenEnvelope(request.body);
      status = data ? DecodeMessage(coding_, *data, message)
                    : rpc::Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
                                 "The request is not one enveloped message.");
    }
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

}  // namespace

std::shared_ptr<Subscription> ServeSubscription(const rpc::Faces& faces, const HttpRequest& request,
                                                const std::shared_ptr<HttpStream>& stream,
                                                Shard& shard) {
  const Coding coding = StreamCoding(request.content_type).value_or(Coding::kJson);
  auto subscription = std::make_shared<EventSubscription>(faces, stream, shard, coding);
  subscription->Start(request);
  return subscription;
}

}  // namespace coterie::gateway
