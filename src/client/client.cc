#include "client/client.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"
#include "client/server_stream.h"
#include "coterie/v1/backup.pb.h"
#include "runtime/status_macros.h"

namespace coterie::client {
namespace {

constexpr absl::Duration kLearnTimeout = absl::Seconds(1);
constexpr absl::Duration kLearnEvery = absl::Seconds(30);
constexpr absl::Duration kLearnAtMostEvery = absl::Seconds(1);

std::uint64_t RandomNumber() {
  std::random_device device;
  for (;;) {
    const std::uint64_t number = (std::uint64_t{device()} << 32) | device();
    if (number != 0) return number;
  }
}

void LearnFrom(Nodes& nodes, const v1::GetStatusResponse& status) {
  std::vector<std::string> members;
  std::string leader;
  for (const v1::NodeStatus& node : status.nodes()) {
    if (node.client_address().empty()) continue;
    members.push_back(node.client_address());
    if (node.node_id() == status.leader_id()) leader = node.client_address();
  }
  if (!members.empty()) nodes.Learn(members, leader);
}

}  // namespace

// Asks, in passing and without waiting, who the members are: now and then, and soon after a node
// has failed.
class Client::Learner {
 public:
  explicit Learner(Nodes& nodes) : nodes_(nodes) {}
  ~Learner() {
    absl::MutexLock lock(&mutex_);
    if (context_ != nullptr) context_->TryCancel();
    mutex_.Await(absl::Condition(this, &Learner::IsIdle));
  }

  void Want() {
    absl::MutexLock lock(&mutex_);
    next_at_ = std::min(next_at_, last_at_ + kLearnAtMostEvery);
  }

  // `connection` has just answered a call.
  void MaybeStart(const std::shared_ptr<Connection>& connection) {
    const std::string token = nodes_.token();
    if (token.empty()) return;
    const absl::Time now = absl::Now();
    {
      absl::MutexLock lock(&mutex_);
      if (context_ != nullptr || now < next_at_) return;
      last_at_ = now;
      next_at_ = now + kLearnEvery;
      context_ = std::make_unique<grpc::ClientContext>();
      Prepare(*context_, token, now + kLearnTimeout);
      request_ = ToBytes(v1::GetStatusRequest());
      response_.Clear();
      connection_ = connection;
    }
    connection->Start(*context_, Method<v1::GetStatusRequest>::kPath, request_, response_,
                      [this](const grpc::Status& status) { Finish(status); });
  }

 private:
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return context_ == nullptr; }

  void Finish(const grpc::Status& status) {
    v1::GetStatusResponse response;
    const bool is_good = status.ok() && FromBytes(response_, response).ok();
    if (is_good) LearnFrom(nodes_, response);
    absl::MutexLock lock(&mutex_);
    if (!is_good || response.leader_id() == 0) next_at_ = last_at_ + kLearnAtMostEvery;
    connection_.reset();
    context_.reset();  // The last touch.
  }

  Nodes& nodes_;
  absl::Mutex mutex_;
  absl::Time next_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time last_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::unique_ptr<grpc::ClientContext> context_;  // Null = idle. Set under the mutex.
  std::shared_ptr<Connection> connection_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

absl::StatusOr<std::unique_ptr<Client>> Client::Open(Options options) {
  if (options.addresses.empty()) return absl::InvalidArgumentError("no address of a node given");
  if (options.addresses.size() > kAddressesMax) {
    return absl::InvalidArgumentError("more addresses of nodes than a cluster may have");
  }
  if (options.credentials.ca_pem && options.credentials.ca_pem->empty()) {
    return absl::InvalidArgumentError("no certificate of the nodes' authority given");
  }
  for (std::string& address : options.addresses) {
    ASSIGN_OR_RETURN(address, NormalizeAddress(address, 0));
    if (address.ends_with(":0")) {
      return absl::InvalidArgumentError("the address \"" + address + "\" has no port");
    }
  }
  return std::unique_ptr<Client>(new Client(std::move(options), RandomNumber()));
}

Client::Client(Options options, std::uint64_t client_id)
    : options_(std::move(options)),
      nodes_(
          std::make_shared<Nodes>(NodesOptions{.addresses = options_.addresses,
                                               .credentials = options_.credentials,
                                               .connect_timeout = options_.connect_timeout,
                                               .unreachable_timeout = options_.unreachable_timeout,
                                               .seed = client_id})),
      learner_(std::make_unique<Learner>(*nodes_)),
      request_ids_(client_id) {
  nodes_->SetToken(options_.token);
}

Client::~Client() { nodes_->Close(); }

// Waits while another call is so slow that too many have overtaken it; that one has a timeout.
Client::OpenRequest::OpenRequest(Client& client, v1::RequestId& id) : client_(client) {
  const auto may_open = [&client]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(client.mutex_) {
    return client.request_ids_.MayOpen();
  };
  absl::MutexLock lock(&client.mutex_);
  client.mutex_.Await(absl::Condition(&may_open));
  sequence_ = client.request_ids_.Open();
  id.set_client_id(client.request_ids_.client_id());
  id.set_sequence(sequence_);
  id.set_acked_below(client.request_ids_.acked_below());
}

Client::OpenRequest::~OpenRequest() {
  absl::MutexLock lock(&client_.mutex_);
  client_.request_ids_.Close(sequence_);
}

absl::Status Client::Run(const Unary& unary, const google::protobuf::Message& request,
                         google::protobuf::Message& response) {
  const absl::Duration timeout =
      unary.timeout > absl::ZeroDuration() ? unary.timeout : options_.call_timeout;
  const absl::Time deadline = absl::Now() + timeout;
  const grpc::ByteBuffer bytes = ToBytes(request);
  Tour tour(*nodes_, deadline);
  absl::Duration attempt_timeout = unary.attempt_timeout;
  std::size_t attempts_late = 0;
  while (const std::shared_ptr<Connection> connection = tour.Next()) {
    grpc::ClientContext context;
    Prepare(context, unary.sends_token ? nodes_->token() : std::string(),
            std::min(deadline, absl::Now() + attempt_timeout));
    grpc::ByteBuffer answer;
    const absl::Status status = FromGrpc(connection->Call(context, unary.path, bytes, answer));
    if (status.ok()) {
      nodes_->Succeeded(connection->address());
      learner_->MaybeStart(connection);
      return FromBytes(answer, response);
    }
    // A wrong password does not get better; an unknown token may, on a node that knows it.
    if (!unary.sends_token && absl::IsUnauthenticated(status)) return status;
    if (!tour.Absorb(status)) {
      nodes_->Succeeded(connection->address());
      return status;
    }
    learner_->Want();
    if (!absl::IsDeadlineExceeded(status)) continue;
    // So many nodes do not hang: what is late is a large answer on a slow way. It gets the rest.
    const bool are_many = ++attempts_late > nodes_->addresses().size() / 2;
    attempt_timeout = are_many ? timeout : attempt_timeout * 2;
  }
  return tour.Failure();
}

absl::StatusOr<v1::LoginResponse> Client::Login(const std::string& user,
                                                const std::string& password) {
  v1::LoginRequest request;
  request.set_user(user);
  request.set_password(password);
  ASSIGN_OR_RETURN(v1::LoginResponse response, Call(std::move(request)));
  nodes_->SetToken(response.token());
  return response;
}

absl::Status Client::Logout() {
  if (token().empty()) return absl::OkStatus();
  const absl::Status status = Call(v1::LogoutRequest()).status();
  // A retry of a logout that took effect is told that there is no such session.
  if (!status.ok() && !absl::IsUnauthenticated(status)) return status;
  nodes_->SetToken("");
  return absl::OkStatus();
}

absl::Status Client::LearnMembers() {
  ASSIGN_OR_RETURN(const v1::GetStatusResponse status, Call(v1::GetStatusRequest()));
  LearnFrom(*nodes_, status);
  return absl::OkStatus();
}

absl::Status Client::TakeBackup(absl::Time deadline,
                                const std::function<bool(const std::string&)>& on_bytes) {
  return RunServerStream<v1::TakeBackupResponse>(
      *nodes_, "/coterie.v1.BackupService/TakeBackup", v1::TakeBackupRequest(), deadline,
      [&](const v1::TakeBackupResponse& piece) { return on_bytes(piece.data()); });
}

absl::StatusOr<std::unique_ptr<Subscription>> Client::Subscribe(v1::SubscribeRequest request) {
  if (request.from_now()) {
    // The newest revision, from a linearizable read of something small.
    ASSIGN_OR_RETURN(const v1::ListLocksResponse now, Call(v1::ListLocksRequest()));
    request.set_from_now(false);
    request.set_after_revision(now.revision());
  }
  return std::make_unique<Subscription>(nodes_, std::move(request));
}

std::unique_ptr<Attachment> Client::Attach(Attachment::Options options) {
  return std::make_unique<Attachment>(nodes_, std::move(options));
}

}  // namespace coterie::client
