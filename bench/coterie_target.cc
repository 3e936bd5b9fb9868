// Coterie by coterie.v1: an edit that replaces the whole of a small document, without a lock, and a
// linearizable read of it. One document a client, one session for all. The edit is the closest
// equal of etcd's Put: the same bytes in, the same promise of durability; beside that Coterie keeps
// the version and remembers the answer of each RequestId.

#include <chrono>
#include <deque>
#include <utility>

#include "bench/target.h"
#include "coterie/v1/auth.grpc.pb.h"
#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/documents.grpc.pb.h"

namespace coterie::bench {
namespace {

namespace v1 = coterie::v1;

void Authorize(grpc::ClientContext& context, const std::string& bearer) {
  if (!bearer.empty()) context.AddMetadata("authorization", bearer);
}

// Numbers the calls of one worker thread, as one client process would: many in flight, and the
// cluster told up to where all answers have arrived.
class CallNumbers {
 public:
  explicit CallNumbers(std::uint64_t client_id) : client_id_(client_id) {}

  void Number(v1::RequestId& request) {
    request.set_client_id(client_id_);
    request.set_sequence(acked_below_ + is_done_.size());
    request.set_acked_below(acked_below_);
    is_done_.push_back(false);
  }

  void Done(std::uint64_t sequence) {
    is_done_[sequence - acked_below_] = true;
    while (!is_done_.empty() && is_done_.front()) {
      is_done_.pop_front();
      ++acked_below_;
    }
  }

 private:
  const std::uint64_t client_id_;
  std::uint64_t acked_below_ = 1;
  std::deque<bool> is_done_;  // Of the sequences from acked_below_ on.
};

class CoterieClient : public Client {
 public:
  CoterieClient(v1::DocumentService::Stub& stub, const std::string& bearer, CallNumbers& numbers,
                std::uint64_t document, std::string value)
      : stub_(stub), bearer_(bearer), numbers_(numbers) {
    edit_.mutable_document()->set_id(document);
    v1::Splice& splice = *edit_.add_splices();
    splice.set_deleted(value.size());
    splice.set_inserted(std::move(value));
    get_.mutable_document()->set_id(document);
  }

  ~CoterieClient() override { NoteAnswer(); }

  void Start(Work work, grpc::CompletionQueue& queue, void* tag) override {
    grpc::ClientContext& context = FreshContext();
    Authorize(context, bearer_);
    if (work == Work::kWrite) {
      NoteAnswer();
      numbers_.Number(*edit_.mutable_request_id());
      edit_.mutable_splices(0)->mutable_inserted()->front() =
          static_cast<char>('a' + edit_.request_id().sequence() % 26);
      edit_call_ = stub_.PrepareAsyncEditDocument(&context, edit_, &queue);
      edit_call_->StartCall();
      edit_call_->Finish(&edit_reply_, &status_, tag);
    } else {
      get_call_ = stub_.PrepareAsyncGetDocument(&context, get_, &queue);
      get_call_->StartCall();
      get_call_->Finish(&get_reply_, &status_, tag);
    }
  }

 private:
  void NoteAnswer() {
    if (edit_.has_request_id()) numbers_.Done(edit_.request_id().sequence());
    edit_.clear_request_id();
  }

  v1::DocumentService::Stub& stub_;
  const std::string& bearer_;
  CallNumbers& numbers_;
  v1::EditDocumentRequest edit_;
  v1::EditDocumentResponse edit_reply_;
  v1::GetDocumentRequest get_;
  v1::GetDocumentResponse get_reply_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::EditDocumentResponse>> edit_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GetDocumentResponse>> get_call_;
};

class CoterieTarget : public Target {
 public:
  explicit CoterieTarget(const TargetOptions& options) : options_(options) {}

  grpc::Status Prepare(std::size_t clients) override {
    if (stubs_.empty()) {
      if (grpc::Status status = Login(); !status.ok()) return status;
      std::vector<std::string> nodes = options_.nodes;
      if (options_.only_leader) {
        if (grpc::Status status = FindLeader(nodes); !status.ok()) return status;
      }
      for (const auto& channel : Connect(nodes, options_.channels)) {
        stubs_.push_back(v1::DocumentService::NewStub(channel));
      }
    }
    while (documents_.size() < clients) {
      if (grpc::Status status = CreateDocument(); !status.ok()) return status;
    }
    return grpc::Status::OK;
  }

  std::unique_ptr<Client> MakeClient(std::size_t number, std::size_t worker) override {
    while (numbers_.size() <= worker) {
      numbers_.push_back(std::make_unique<CallNumbers>((run_id_ << 8) + numbers_.size() + 1));
    }
    return std::make_unique<CoterieClient>(*stubs_[number % stubs_.size()], bearer_,
                                           *numbers_[worker], documents_[number],
                                           MakeValue(options_.value_bytes, number));
  }

 private:
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  std::shared_ptr<grpc::Channel> AnyChannel() const {
    return grpc::CreateChannel(options_.nodes.front(), grpc::InsecureChannelCredentials());
  }

  grpc::Status Login() {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::LoginRequest request;
    request.set_user("bench");
    request.set_password("correct horse battery staple");
    v1::LoginResponse reply;
    const grpc::Status status =
        v1::AuthService::NewStub(AnyChannel())->Login(&context, request, &reply);
    bearer_ = "Bearer " + reply.token();
    run_id_ = reply.session_id();
    return status;
  }

  grpc::Status FindLeader(std::vector<std::string>& nodes) const {
    grpc::ClientContext context;
    SetDeadline(context);
    Authorize(context, bearer_);
    v1::GetStatusResponse reply;
    const grpc::Status status =
        v1::ClusterService::NewStub(AnyChannel())->GetStatus(&context, {}, &reply);
    if (!status.ok()) return status;
    for (const v1::NodeStatus& node : reply.nodes()) {
      if (node.node_id() != reply.leader_id() || node.client_address().empty()) continue;
      nodes = {node.client_address()};
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::UNAVAILABLE, "the status names no leader"};
  }

  grpc::Status CreateDocument() {
    grpc::ClientContext context;
    SetDeadline(context);
    Authorize(context, bearer_);
    v1::CreateDocumentRequest request;
    request.set_name("bench-" + std::to_string(run_id_) + "-" + std::to_string(documents_.size()));
    request.set_text(MakeValue(options_.value_bytes, documents_.size()));
    v1::CreateDocumentResponse reply;
    const grpc::Status status = stubs_.front()->CreateDocument(&context, request, &reply);
    if (status.ok()) documents_.push_back(reply.document_id());
    return status;
  }

  TargetOptions options_;
  std::string bearer_;
  std::uint64_t run_id_ = 0;
  std::vector<std::unique_ptr<CallNumbers>> numbers_;  // One a worker.
  std::vector<std::uint64_t> documents_;
  std::vector<std::unique_ptr<v1::DocumentService::Stub>> stubs_;
};

}  // namespace

std::unique_ptr<Target> MakeCoterieTarget(const TargetOptions& options) {
  return std::make_unique<CoterieTarget>(options);
}

}  // namespace coterie::bench
