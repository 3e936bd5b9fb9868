// What no honest client sends, over plain gRPC and plain TCP: each gets a clear status, and the
// node stays alive with bounded memory and goes on serving.

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "client/client.h"
#include "coterie/v1/events.grpc.pb.h"
#include "tests/cluster_process.h"
#include "tests/pacing.h"

namespace coterie::tests {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr char kPassword[] = "a password that is long";

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

class Hostile : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(1);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    address_ = cluster_->client_address(1);
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
    client_ = NewClient("alice");
    ASSERT_NE(client_, nullptr);
  }

  // Whatever was done to it, it must have survived.
  void TearDown() override {
    if (client_ == nullptr) return;
    EXPECT_EQ(cluster_->Obituaries(), "");
    EXPECT_TRUE(client_->Call(v1::ListDocumentsRequest{}).ok());
  }

  std::unique_ptr<client::Client> NewClient(const std::string& user) {
    auto client = client::Client::Open({.addresses = {address_}});
    EXPECT_TRUE(client.ok()) << client.status();
    const auto login = (*client)->Login(user, kPassword);
    EXPECT_TRUE(login.ok()) << login.status();
    return login.ok() ? *std::move(client) : nullptr;
  }

  // One unary call of raw bytes; no token = none is sent.
  grpc::Status Send(const std::string& method, const std::string& bytes,
                    const std::optional<std::string>& token) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    context.set_wait_for_ready(true);
    if (token) context.AddMetadata("authorization", "Bearer " + *token);
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    const auto call =
        stub.PrepareUnaryCall(&context, "/coterie.v1." + method, ToBuffer(bytes), &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }
  grpc::Status Send(const std::string& method, const std::string& bytes) {
    return Send(method, bytes, client_->token());
  }

  std::uint64_t Create(const std::string& name, const std::string& text) {
    v1::CreateDocumentRequest request;
    request.set_name(name);
    request.set_text(text);
    const auto created = client_->Call(request);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->document_id() : 0;
  }

  std::unique_ptr<ClusterProcess> cluster_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<client::Client> client_;
};

void ExpectCode(const grpc::Status& status, std::initializer_list<grpc::StatusCode> allowed) {
  bool is_allowed = false;
  for (const grpc::StatusCode code : allowed) is_allowed |= status.error_code() == code;
  EXPECT_TRUE(is_allowed) << "code " << status.error_code() << ": " << status.error_message();
  EXPECT_FALSE(status.error_message().empty()) << "code " << status.error_code();
}

void ExpectReason(const absl::Status& status, const std::string& reason) {
  EXPECT_EQ(client::DetailOf(status).reason, reason) << status;
  EXPECT_FALSE(status.message().empty());
}

TEST_F(Hostile, HugeMessagesAreRefusedBeforeTheyCostMemory) {
  v1::CreateDocumentRequest request;
  request.set_name("huge");
  const std::uint64_t before = cluster_->ResidentBytes(1);
  for (const std::uint64_t mebibytes : {5, 16, 64}) {
    request.set_text(std::string(mebibytes * kMiB, 'x'));
    ExpectCode(Send("DocumentService/CreateDocument", request.SerializeAsString()),
               {grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::INVALID_ARGUMENT});
  }
  request.set_text("");
  request.set_name(std::string(4096, 'n'));
  ExpectCode(Send("DocumentService/CreateDocument", request.SerializeAsString()),
             {grpc::StatusCode::INVALID_ARGUMENT});

  EXPECT_LT(cluster_->ResidentBytes(1), before + 256 * kMiB);
}

TEST_F(Hostile, TruncatedAndMalformedMessagesAreRefused) {
  v1::CreateDocumentRequest request;
  request.set_name("a name");
  request.set_text("a text");
  const std::string whole = request.SerializeAsString();
  for (const std::string& bytes :
       {whole.substr(0, whole.size() - 1), std::string("\x0a\xff\xff\xff\xff\x7f"),
        std::string("\x12\x80"), std::string(3, '\xff')}) {
    ExpectCode(Send("DocumentService/CreateDocument", bytes),
               {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::INTERNAL});
  }
}

TEST_F(Hostile, InvalidUtf8IsRefused) {
  // Field 2 is the name, field 3 the text; protobuf would not write these bytes for us.
  for (const std::string& bytes :
       {std::string("\x12\x02\xff\xfe"), std::string("\x12\x01z\x1a\x02\xc3\x28"),
        std::string("\x12\x01y\x1a\x03\xed\xa0\x80")}) {
    ExpectCode(Send("DocumentService/CreateDocument", bytes),
               {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::INTERNAL});
  }
}

TEST_F(Hostile, RandomBytesNeverHurt) {
  Prng prng(7);
  const std::vector<std::string> methods = {"AuthService/Login",
                                            "DocumentService/CreateDocument",
                                            "DocumentService/EditDocument",
                                            "DocumentService/GetDocument",
                                            "DocumentService/LockDocument",
                                            "ClusterService/GetStatus",
                                            "AuthService/SetPassword",
                                            "DocumentService/RestoreVersion"};
  for (int i = 0; i < 400; ++i) {
    std::string bytes(prng.Below(64), '\0');
    for (char& byte : bytes) byte = static_cast<char>(prng.Next());
    const grpc::Status status = Send(methods[prng.Below(methods.size())], bytes);
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
}

TEST_F(Hostile, WhoHasNoSessionGetsNothing) {
  for (const auto& token : {std::optional<std::string>(), std::optional<std::string>(""),
                            std::optional<std::string>("not-a-token"),
                            std::optional<std::string>(client_->token() + "x"),
                            std::optional<std::string>(std::string(2000, 'a'))}) {
    ExpectCode(Send("DocumentService/ListDocuments", "", token),
               {grpc::StatusCode::UNAUTHENTICATED});
    ExpectCode(Send("ClusterService/GetStatus", "", token), {grpc::StatusCode::UNAUTHENTICATED});
  }
}

TEST_F(Hostile, EndedSessionIsWorthNothing) {
  const auto other = NewClient("bob");
  ASSERT_NE(other, nullptr);
  const std::string token = other->token();
  ASSERT_TRUE(other->Logout().ok());

  ExpectCode(Send("DocumentService/ListDocuments", "", token), {grpc::StatusCode::UNAUTHENTICATED});
}

TEST_F(Hostile, WrongPasswordIsRefusedWithoutSayingMore) {
  v1::LoginRequest request;
  request.set_user("alice");
  request.set_password("wrong");
  ExpectCode(Send("AuthService/Login", request.SerializeAsString(), std::nullopt),
             {grpc::StatusCode::UNAUTHENTICATED});
}

TEST_F(Hostile, WritesWithoutTheLockAreRefused) {
  const std::uint64_t document = Create("locked", "text");
  v1::WriteDocumentRequest write;
  write.mutable_document()->set_id(document);
  write.set_text("other");
  ExpectReason(client_->Call(write).status(), "LOCK_REQUIRED");
  write.set_lock_token(12345);
  ExpectReason(client_->Call(write).status(), "STALE_TOKEN");

  const auto other = NewClient("bob");
  ASSERT_NE(other, nullptr);
  v1::LockDocumentRequest lock;
  lock.mutable_document()->set_id(document);
  lock.set_ttl_ms(60'000);
  const auto locked = other->Call(lock);
  ASSERT_TRUE(locked.ok()) << locked.status();
  write.set_lock_token(locked->lock().token());
  const absl::Status stolen = client_->Call(write).status();
  ExpectReason(stolen, "LOCKED");
  EXPECT_EQ(client::DetailOf(stolen).Get("holder"), "bob");
}

TEST_F(Hostile, UnknownDocumentsAndPositionsAreRefused) {
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(987654321);
  EXPECT_EQ(client_->Call(get).status().code(), absl::StatusCode::kNotFound);
  get.mutable_document()->set_name("no such document");
  EXPECT_EQ(client_->Call(get).status().code(), absl::StatusCode::kNotFound);
  get.clear_document();
  EXPECT_EQ(client_->Call(get).status().code(), absl::StatusCode::kInvalidArgument);

  v1::EditDocumentRequest edit;
  edit.mutable_document()->set_id(Create("short", "text"));
  v1::Splice& splice = *edit.add_splices();
  for (const std::uint64_t position :
       {std::uint64_t{5}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    splice.set_position(position);
    splice.set_deleted(position);
    const absl::Status status = client_->Call(edit).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsOutOfRange(status)) << status;
  }
}

TEST_F(Hostile, OnlyAdminsChangeTheCluster) {
  const auto other = NewClient("bob");
  ASSERT_NE(other, nullptr);
  v1::RemoveNodeRequest request;
  request.set_node_id(1);
  EXPECT_EQ(other->Call(request).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(Hostile, UnknownMethodIsUnimplemented) {
  EXPECT_EQ(Send("DocumentService/Nothing", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Hostile, WhatIsNoHttpIsCutOff) {
  const auto port = static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(port);
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Prng prng(3);
  for (int i = 0; i < 50; ++i) {
    const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(file, 0);
    ASSERT_EQ(connect(file, reinterpret_cast<const sockaddr*>(&target), sizeof(target)), 0);
    std::string bytes = i % 2 == 0 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
    for (int n = 0; n < 1000; ++n) bytes.push_back(static_cast<char>(prng.Next()));
    send(file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    close(file);
  }
}

// Ten thousand streams of one client, opened at once. Refusing some is right; dying is not.
class Streams {
 public:
  Streams(const std::string& address, const std::string& token, std::size_t count) {
    for (std::size_t i = 0; i < 8; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stubs_.push_back(v1::EventService::NewStub(
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
    }
    for (std::size_t i = 0; i < count; ++i) {
      auto stream = std::make_unique<Stream>();
      stream->context.AddMetadata("authorization", "Bearer " + token);
      stream->call =
          stubs_[i % stubs_.size()]->PrepareAsyncSubscribe(&stream->context, {}, &queue_);
      stream->call->StartCall(stream.get());
      ++pending_;
      streams_.push_back(std::move(stream));
    }
  }
  ~Streams() {
    for (const auto& stream : streams_) stream->context.TryCancel();
    Pump(absl::Seconds(10), [this] { return pending_ == 0; });
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // Until every stream has had an event or an end.
  bool WaitForAll(absl::Duration timeout) {
    return Pump(timeout, [this] { return answered_ + refused_ >= streams_.size(); });
  }

  std::size_t answered() const { return answered_; }
  std::size_t refused() const { return refused_; }
  // Refused with RESOURCE_EXHAUSTED; and what another refusal said.
  std::size_t refused_for_limit() const { return refused_for_limit_; }
  const std::string& other_refusal() const { return other_refusal_; }

 private:
  enum class Step { kStarting, kReading, kIdle, kFinishing };
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncReader<v1::SubscribeResponse>> call;
    v1::SubscribeResponse batch;
    grpc::Status status;
    Step step = Step::kStarting;
  };

  bool Pump(absl::Duration timeout, const std::function<bool()>& is_done) {
    const auto deadline = std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout);
    void* tag = nullptr;
    bool ok = false;
    while (!is_done()) {
      if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return false;
      --pending_;
      Advance(*static_cast<Stream*>(tag), ok);
    }
    return true;
  }

  void Advance(Stream& stream, bool ok) {
    switch (stream.step) {
      case Step::kStarting:
      case Step::kReading:
        if (ok && stream.step == Step::kStarting) {
          stream.step = Step::kReading;
          stream.call->Read(&stream.batch, &stream);
          ++pending_;
        } else if (ok) {
          ++answered_;
          stream.step = Step::kIdle;  // Reads no more: a slow client.
        } else {
          stream.step = Step::kFinishing;
          stream.call->Finish(&stream.status, &stream);
          ++pending_;
        }
        return;
      case Step::kFinishing:
        ++refused_;
        if (stream.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
          ++refused_for_limit_;
        } else {
          other_refusal_ = stream.status.error_message();
        }
        return;
      case Step::kIdle:
        return;
    }
  }

  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<v1::EventService::Stub>> stubs_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::size_t answered_ = 0;
  std::size_t refused_ = 0;
  std::size_t refused_for_limit_ = 0;
  std::string other_refusal_;
  std::size_t pending_ = 0;  // Tags that the queue has not given back.
};

TEST_F(Hostile, TenThousandSubscriptionsLeaveMemoryBounded) {
  constexpr std::size_t kCount = 10'000;
  const std::uint64_t document = Create("watched", "text");
  const std::uint64_t before = cluster_->ResidentBytes(1);
  {
    Streams streams(address_, client_->token(), kCount);
    streams.WaitForAll(absl::Seconds(30));
    std::cout << streams.answered() << " subscriptions served, " << streams.refused()
              << " refused; resident " << before / kMiB << " MiB before, "
              << cluster_->ResidentBytes(1) / kMiB << " MiB with them\n";
    EXPECT_EQ(streams.answered() + streams.refused(), kCount);
    EXPECT_EQ(streams.refused_for_limit(), streams.refused()) << streams.other_refusal();
    EXPECT_GT(streams.answered(), 0u);

    // None of them reads on; the node must neither keep what they leave nor make others wait.
    for (int i = 0; i < 200; ++i) {
      v1::AppendDocumentRequest append;
      append.mutable_document()->set_id(document);
      append.set_text(std::string(1024, 'x'));
      ASSERT_TRUE(client_->Call(append).ok());
    }
    std::cout << cluster_->ResidentBytes(1) / kMiB << " MiB after 200 changes\n";
    EXPECT_LT(cluster_->ResidentBytes(1), before + 1024 * kMiB);
  }
}

// A shell's usual limit is what one visitor may open sockets: then the log could open no file.
TEST(Files, ANodeTakesAllThatItMayHave) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit usual = limit;
  usual.rlim_cur = 512;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  const auto cluster = ClusterProcess::Start(1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(cluster.ok()) << cluster.status();

  std::ifstream limits("/proc/" + std::to_string((*cluster)->process(1)) + "/limits");
  std::string line;
  while (std::getline(limits, line) && !line.starts_with("Max open files")) continue;
  EXPECT_NE(line.find(" " + std::to_string(limit.rlim_max) + " "), std::string::npos) << line;
  EXPECT_EQ(line.find(" 512 "), std::string::npos) << line;
}

}  // namespace
}  // namespace coterie::tests
