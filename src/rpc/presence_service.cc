#include "rpc/presence_service.h"

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace coterie::rpc {
namespace {

constexpr std::uint64_t kLeaseDefaultMs = 10'000;
constexpr std::uint64_t kLeaseMinMs = 1'000;
constexpr std::uint64_t kLeaseMaxMs = 60'000;
constexpr absl::Duration kStepTimeout = absl::Seconds(10);

// One attached client. Kept alive by gRPC (self_) until OnDone(), and by what is on its way.
class AttachStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public AttachedStream,
                           public std::enable_shared_from_this<AttachStream> {
 public:
  AttachStream(Gate& gate, const NodeCalls& calls, PresenceHub& hub,
               grpc::CallbackServerContext& context)
      : gate_(gate), calls_(calls), hub_(hub), context_(context) {}

  void Start() {
    self_ = shared_from_this();
    if (absl::Status status = gate_.Enter(policy_, 0); !status.ok()) return End(status);
    gate_.Leave(0);
    gate_.authenticator().Admit(policy_, AuthorizationOf(context_), absl::Now() + kStepTimeout,
                                [self = shared_from_this()](absl::StatusOr<Caller> caller) {
                                  if (!caller.ok()) return self->End(caller.status());
                                  self->caller_ = *std::move(caller);
                                  self->Join();
                                });
  }

  // --- AttachedStream ---
  const Caller& caller() const override { return caller_; }
  void Show(const std::vector<v1::Presence>& present) override {
    v1::AttachResponse response;
    {
      absl::MutexLock lock(&mutex_);
      response.set_lease_ms(lease_ms_);
    }
    for (const v1::Presence& presence : present) *response.add_present() = presence;
    grpc::ByteBuffer bytes = Serialize(response);
    {
      absl::MutexLock lock(&mutex_);
      newest_.Swap(&bytes);
      has_newest_ = true;
    }
    Pump();
  }
  void JoinAgain() override {
    ProposeAttach([](const absl::Status&) {});
  }
  void End(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(why));
  }

 private:
  // Of what takes steps of its own, each in a bounded time.
  Call Step() const { return {.caller = caller_, .deadline = absl::Now() + kStepTimeout}; }

  void Join() {
    if (absl::Status status = hub_.Add(shared_from_this()); !status.ok()) return End(status);
    bool is_gone = false;
    {
      absl::MutexLock lock(&mutex_);
      is_added_ = true;
      is_gone = is_done_;
    }
    if (is_gone) return hub_.Remove(shared_from_this());
    ReadOn();
  }

  void ReadOn() {
    absl::MutexLock lock(&mutex_);
    // Not after Finish(), and so not without the lock: gRPC may have done with this call.
    if (!is_finished_) StartRead(&incoming_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        absl::MutexLock lock(&mutex_);
        is_half_closed_ = !is_finished_;
      }
      return End(absl::OkStatus());  // Whether the client is still there to hear it, OnDone() asks.
    }
    v1::AttachRequest request;
    absl::Status status = absl::OkStatus();
    if (incoming_.Length() > policy_.request_bytes_max) {
      status = Error(absl::StatusCode::kResourceExhausted, "LIMIT", "The message is too long.");
    }
    if (status.ok()) status = Parse(incoming_, request);
    if (!status.ok()) return End(status);
    if (is_open_) return Follow(request);
    {
      absl::MutexLock lock(&mutex_);
      lease_ms_ = request.lease_ms() == 0
                      ? kLeaseDefaultMs
                      : std::clamp(request.lease_ms(), kLeaseMinMs, kLeaseMaxMs);
    }
    ProposeAttach([self = shared_from_this(), request](const absl::Status& joined) {
      if (!joined.ok()) return self->End(joined);
      self->Open(request);
    });
  }

  void ProposeAttach(std::function<void(absl::Status)> done) {
    std::uint64_t lease_ms = 0;
    {
      absl::MutexLock lock(&mutex_);
      lease_ms = lease_ms_;
    }
    if (lease_ms == 0) return;  // Has not even asked to join.
    calls_.Propose(Step(), {}, state::Attach{.lease_ms = lease_ms},
                   [self = shared_from_this(), done = std::move(done)](
                       const absl::StatusOr<state::Outcome>& outcome) { done(outcome.status()); });
  }

  void Open(const v1::AttachRequest& request) {
    {
      absl::MutexLock lock(&mutex_);
      if (is_done_) return;
      is_open_ = true;
      calls_.node().StreamOpened(caller_.session);
    }
    Follow(request);
  }

  // Tells the others what the client does, answers it and reads on.
  void Follow(const v1::AttachRequest& request) {
    const node::Activity activity = FromProto(request.activity());
    if (request.document().ref_case() == v1::DocumentRef::REF_NOT_SET) {
      return SetActivity(activity, DocId());
    }
    calls_.Ask<DocId>(
        Step(), node::Consistency::kStale,
        [caller = caller_, ref = request.document()](const state::Machine& state) {
          return FindVisible(state, caller, ref);
        },
        // A document that is gone meanwhile is no reason to throw the client out.
        [self = shared_from_this(), activity](const absl::StatusOr<DocId>& doc) {
          self->SetActivity(activity, doc.ok() ? *doc : DocId());
        });
  }
  void SetActivity(node::Activity activity, DocId doc) {
    {
      absl::MutexLock lock(&mutex_);
      if (is_done_ || is_finished_) return;
      calls_.node().SetActivity({.session = caller_.session, .activity = activity, .doc = doc});
    }
    hub_.Answer(shared_from_this());
    ReadOn();
  }

  void Pump() {
    absl::MutexLock lock(&mutex_);
    if (is_writing_ || is_finished_ || !has_newest_) return;
    outgoing_.Swap(&newest_);
    newest_.Clear();
    has_newest_ = false;
    is_writing_ = true;
    StartWrite(&outgoing_);  // As ReadOn().
  }
  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
    }
    if (ok) Pump();
  }
  void OnCancel() override { End(absl::CancelledError("the client has gone")); }

  void OnDone() override {
    bool was_open = false;
    bool was_added = false;
    bool leaves = false;
    {
      absl::MutexLock lock(&mutex_);
      is_done_ = true;
      was_open = is_open_;
      was_added = is_added_;
      leaves = is_half_closed_ && !context_.IsCancelled();
    }
    const std::shared_ptr<AttachStream> self = std::move(self_);
    if (was_added) hub_.Remove(self);
    if (!was_open) return;
    calls_.node().StreamClosed(caller_.session);
    if (leaves) Leave();
  }

  void Leave() {
    const std::optional<state::SessionView> session =
        calls_.node().sessions().Find(caller_.session);
    if (!session || session->attached.IsNone() || calls_.node().HasStreams(caller_.session)) return;
    calls_.Propose(Step(), {},
                   state::Leave{.session = caller_.session,
                                .attached = session->attached,
                                .reason = state::LeaveReason::kDetached},
                   // If it fails, the lease runs out.
                   [self = shared_from_this()](const absl::StatusOr<state::Outcome>&) {});
  }

  Gate& gate_;
  const NodeCalls& calls_;
  PresenceHub& hub_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  const Policy& policy_ = *FindPolicy("coterie.v1.PresenceService.Attach");
  std::shared_ptr<AttachStream> self_;
  Caller caller_;  // Constant once the hub knows this.
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::uint64_t lease_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ByteBuffer newest_ ABSL_GUARDED_BY(mutex_);
  bool has_newest_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_added_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_open_ = false;  // Written once, between two reads.
};

}  // namespace

void PresenceService::ListPresent(const Call& call, v1::ListPresentRequest request,
                                  Reply<v1::ListPresentResponse> reply) {
  calls_.Read<v1::ListPresentResponse>(
      call, request.consistency(),
      [this, user = call.caller.user](const state::Machine& state) {
        v1::ListPresentResponse response;
        const PresentList list(state, calls_.node().Activities(), {user});
        for (v1::Presence& presence : list.Describe(user)) {
          *response.add_present() = std::move(presence);
        }
        return response;
      },
      std::move(reply));
}

PresenceBinding::PresenceBinding(Gate& gate, const NodeCalls& calls, PresenceHub& hub)
    : BoundService(gate) {
  const int index = MethodOf(*v1::AttachRequest::descriptor()).index();
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [&gate, &calls, &hub](grpc::CallbackServerContext* context) {
                   auto stream = std::make_shared<AttachStream>(gate, calls, hub, *context);
                   stream->Start();
                   return stream.get();
                 }));
}

}  // namespace coterie::rpc
