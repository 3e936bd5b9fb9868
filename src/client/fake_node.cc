#include "client/fake_node.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "base/check.h"
#include "client/error_detail.h"

namespace coterie::client {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(5);
constexpr std::uint64_t kLockToken = 7;

// The status as a server of Coterie sends it, details and all.
grpc::Status ToGrpc(absl::Status status, const ErrorDetail& detail) {
  SetDetail(status, detail);
  std::string details;
  status.ForEachPayload(
      [&](absl::string_view, const absl::Cord& payload) { details = std::string(payload); });
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()), details);
}

}  // namespace

std::uint64_t FakeCluster::Publish(const std::string& user) {
  absl::MutexLock lock(&mutex);
  v1::SubscribeResponse batch;
  batch.set_revision(++revision);
  batch.add_events()->set_user(user);
  events.push_back(batch);
  return revision;
}

class FakeNode::Service final : public v1::DocumentService::Service {
 public:
  explicit Service(FakeNode& node) : node_(node) {}

  grpc::Status WriteDocument(grpc::ServerContext* context, const v1::WriteDocumentRequest* request,
                             v1::WriteDocumentResponse* response) override {
    bool drop_reply = false;
    if (grpc::Status fate = node_.Enter(context, &drop_reply); !fate.ok()) return fate;
    FakeCluster& cluster = node_.cluster_;
    absl::MutexLock lock(&cluster.mutex);
    const auto& id = request->request_id();
    std::uint64_t& effect = cluster.effects[{id.client_id(), id.sequence()}];
    if (effect == 0) {
      effect = ++cluster.revision;
      cluster.text += request->text();
    }
    cluster.acked_below = id.acked_below();
    response->set_revision(effect);
    if (drop_reply) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
    return grpc::Status::OK;
  }
  grpc::Status ListLocks(grpc::ServerContext* context, const v1::ListLocksRequest*,
                         v1::ListLocksResponse* response) override {
    bool drop_reply = false;
    if (grpc::Status fate = node_.Enter(context, &drop_reply); !fate.ok()) return fate;
    absl::MutexLock lock(&node_.cluster_.mutex);
    response->set_revision(node_.cluster_.revision);
    return grpc::Status::OK;
  }

  grpc::Status ListDocuments(grpc::ServerContext* context, const v1::ListDocumentsRequest*,
                             v1::ListDocumentsResponse* response) override {
    bool drop_reply = false;
    if (grpc::Status fate = node_.Enter(context, &drop_reply); !fate.ok()) return fate;
    absl::MutexLock lock(&node_.cluster_.mutex);
    if (node_.cluster_.endless_pages-- > 0) response->set_next_page_token("m");
    return grpc::Status::OK;
  }
  grpc::Status LockDocument(grpc::ServerContext* context, const v1::LockDocumentRequest*,
                            v1::LockDocumentResponse* response) override {
    bool drop_reply = false;
    if (grpc::Status fate = node_.Enter(context, &drop_reply); !fate.ok()) return fate;
    response->mutable_lock()->set_token(kLockToken);
    return grpc::Status::OK;
  }

  class Auth final : public v1::AuthService::Service {
   public:
    explicit Auth(FakeNode& node) : node_(node) {}
    grpc::Status Login(grpc::ServerContext* context, const v1::LoginRequest* request,
                       v1::LoginResponse* response) override {
      node_.WaitWhileFrozen(context);
      if (request->password() != "secret") {
        return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "wrong password");
      }
      response->set_token("token-of-" + request->user());
      return grpc::Status::OK;
    }
    grpc::Status Logout(grpc::ServerContext*, const v1::LogoutRequest*,
                        v1::LogoutResponse*) override {
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no such session");
    }

   private:
    FakeNode& node_;
  };

  class Cluster final : public v1::ClusterService::Service {
   public:
    explicit Cluster(FakeNode& node) : node_(node) {}
    grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                           v1::GetStatusResponse* response) override {
      node_.RememberToken(*context);
      node_.WaitWhileFrozen(context);
      absl::MutexLock lock(&node_.cluster_.mutex);
      for (const v1::NodeStatus& member : node_.cluster_.members) *response->add_nodes() = member;
      response->set_leader_id(node_.cluster_.leader_id);
      return grpc::Status::OK;
    }

   private:
    FakeNode& node_;
  };

  class Events final : public v1::EventService::Service {
   public:
    explicit Events(FakeNode& node) : node_(node) {}
    grpc::Status Subscribe(grpc::ServerContext* context, const v1::SubscribeRequest* request,
                           grpc::ServerWriter<v1::SubscribeResponse>* writer) override {
      std::uint64_t after = request->after_revision();
      FakeCluster& cluster = node_.cluster_;
      while (!node_.IsStopped(context)) {
        node_.WaitWhileFrozen(context);
        std::vector<v1::SubscribeResponse> fresh;
        {
          absl::MutexLock lock(&cluster.mutex);
          if (after < cluster.oldest_event) {
            return ToGrpc(absl::OutOfRangeError("that far back is not retained"),
                          {.reason = "NOT_RETAINED",
                           .metadata = {{"oldest", absl::StrCat(cluster.oldest_event)}}});
          }
          const auto is_news = [&] { return cluster.revision > after; };
          cluster.mutex.AwaitWithTimeout(absl::Condition(&is_news), kStep);
          for (const v1::SubscribeResponse& event : cluster.events) {
            if (event.revision() > after) fresh.push_back(event);
          }
        }
        for (const v1::SubscribeResponse& event : fresh) {
          node_.WaitWhileFrozen(context);
          if (!writer->Write(event)) return grpc::Status::CANCELLED;
          after = event.revision();
        }
      }
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
    }

   private:
    FakeNode& node_;
  };

  class Backup final : public v1::BackupService::Service {
   public:
    explicit Backup(FakeNode& node) : node_(node) {}
    grpc::Status TakeBackup(grpc::ServerContext* context, const v1::TakeBackupRequest*,
                            grpc::ServerWriter<v1::TakeBackupResponse>* writer) override {
      bool drop_reply = false;
      if (grpc::Status fate = node_.Enter(context, &drop_reply); !fate.ok()) return fate;
      std::vector<std::string> pieces;
      {
        absl::MutexLock lock(&node_.cluster_.mutex);
        pieces = node_.cluster_.backup;
      }
      for (std::string& piece : pieces) {
        node_.WaitWhileFrozen(context);
        v1::TakeBackupResponse response;
        response.set_data(std::move(piece));
        if (!writer->Write(response)) return grpc::Status::CANCELLED;
      }
      return grpc::Status::OK;
    }

   private:
    FakeNode& node_;
  };

  class Presence final : public v1::PresenceService::Service {
   public:
    explicit Presence(FakeNode& node) : node_(node) {}
    grpc::Status Attach(
        grpc::ServerContext* context,
        grpc::ServerReaderWriter<v1::AttachResponse, v1::AttachRequest>* stream) override {
      v1::AttachRequest request;
      bool is_first = true;
      while (stream->Read(&request)) {
        node_.WaitWhileFrozen(context);
        if (std::exchange(is_first, false)) {
          absl::MutexLock lock(&node_.cluster_.mutex);
          ++node_.cluster_.attached;
        }
        v1::AttachResponse response;
        response.set_lease_ms(request.lease_ms());
        response.add_present()->set_activity(request.activity());
        if (!stream->Write(response)) break;
      }
      absl::MutexLock lock(&node_.cluster_.mutex);
      if (!context->IsCancelled()) ++node_.cluster_.left_cleanly;
      return grpc::Status::OK;
    }

   private:
    FakeNode& node_;
  };

 private:
  FakeNode& node_;
};

FakeNode::FakeNode(FakeCluster& cluster, const std::string& address) : cluster_(cluster) {
  services_.push_back(std::make_unique<Service>(*this));
  services_.push_back(std::make_unique<Service::Auth>(*this));
  services_.push_back(std::make_unique<Service::Cluster>(*this));
  services_.push_back(std::make_unique<Service::Events>(*this));
  services_.push_back(std::make_unique<Service::Presence>(*this));
  services_.push_back(std::make_unique<Service::Backup>(*this));
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr);
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeNode::~FakeNode() { Kill(); }

void FakeNode::Fail(Failure failure, int times) {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < times; ++i) failures_.push_back(failure);
}

void FakeNode::Freeze() {
  absl::MutexLock lock(&mutex_);
  frozen_ = true;
}

void FakeNode::Kill() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(killed_, true)) return;
  }
  server_->Shutdown(std::chrono::system_clock::now());
}

int FakeNode::calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

std::string FakeNode::last_token() const {
  absl::MutexLock lock(&mutex_);
  return last_token_;
}

void FakeNode::RememberToken(const grpc::ServerContext& context) {
  const auto token = context.client_metadata().find("authorization");
  if (token == context.client_metadata().end()) return;
  absl::MutexLock lock(&mutex_);
  last_token_ = std::string(token->second.data(), token->second.size());
}

bool FakeNode::IsStopped(grpc::ServerContext* context) const {
  absl::MutexLock lock(&mutex_);
  return killed_ || context->IsCancelled();
}

void FakeNode::WaitWhileFrozen(grpc::ServerContext* context) const {
  absl::MutexLock lock(&mutex_);
  while (frozen_ && !killed_ && !context->IsCancelled()) {
    mutex_.AwaitWithTimeout(absl::Condition(&killed_), kStep);
  }
}

grpc::Status FakeNode::Enter(grpc::ServerContext* context, bool* drop_reply) {
  RememberToken(*context);
  WaitWhileFrozen(context);
  absl::MutexLock lock(&mutex_);
  ++calls_;
  if (failures_.empty()) return grpc::Status::OK;
  const Failure failure = failures_.front();
  failures_.pop_front();
  switch (failure.kind) {
    case Failure::Kind::kUnavailable:
      return ToGrpc(absl::UnavailableError("no leader"), {.reason = "NO_LEADER"});
    case Failure::Kind::kNotLeader:
      return ToGrpc(
          absl::FailedPreconditionError("not the leader"),
          {.reason = "NOT_LEADER", .metadata = {{"leader_address", failure.leader_address}}});
    case Failure::Kind::kSlow: {
      const absl::Time answers_at = absl::Now() + kSlow;
      while (!killed_ && !context->IsCancelled() && absl::Now() < answers_at) {
        mutex_.AwaitWithTimeout(absl::Condition(&killed_), kStep);
      }
      return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
    }
    case Failure::Kind::kHang:
      while (!killed_ && !context->IsCancelled()) {
        mutex_.AwaitWithTimeout(absl::Condition(&killed_), kStep);
      }
      return grpc::Status::CANCELLED;
    case Failure::Kind::kDropReply:
      *drop_reply = true;
      return grpc::Status::OK;
    case Failure::Kind::kExhausted:
      return ToGrpc(absl::ResourceExhaustedError("too much at once"),
                    {.reason = "OVERLOADED", .retry_after = absl::Milliseconds(20)});
    case Failure::Kind::kLocked:
      return ToGrpc(absl::AbortedError("locked"),
                    {.reason = "LOCKED", .metadata = {{"holder", "mia"}}});
  }
  return grpc::Status::OK;
}

std::string DeadAddress() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(listener);
  return absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
}

}  // namespace coterie::client
