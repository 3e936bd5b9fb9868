#pragma once

// How handlers talk to the node: propose a command or read the state, for a call and until its
// deadline, with the answer already in a client's terms. Any thread.

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "coterie/v1/auth.pb.h"
#include "coterie/v1/documents.pb.h"
#include "node/node.h"
#include "rpc/call.h"
#include "rpc/call_rates.h"
#include "rpc/status_map.h"
#include "rpc/steady_time.h"
#include "rpc/thread_time.h"
#include "state/command.h"
#include "state/machine.h"
#include "state/outcome.h"

namespace coterie::rpc {

state::RequestId FromProto(const v1::RequestId& id);
node::Consistency FromProto(v1::Consistency consistency);

// What an update cost every node that was refused after much work; charged to its user. The most
// that the machine does for one (crdt::kTooManyConflicts).
inline constexpr absl::Duration kCostOfRefused = absl::Milliseconds(400);

class NodeCalls {
 public:
  // Both outlive it. What is done for a user is charged to `rates`.
  NodeCalls(node::Node& node, CallRates& rates) : node_(node), rates_(rates) {}

  // Refuses what no state would accept before it is proposed. `done` gets OK outcomes only.
  using OutcomeDone = std::function<void(absl::StatusOr<state::Outcome>)>;
  void Propose(const Call& call, const v1::RequestId& request, state::CommandBody body,
               OutcomeDone done) const;

  // Runs `answer` on the apply thread; what it returns is the reply, with the revision read at.
  template <class Response>
  void Read(const Call& call, v1::Consistency consistency,
            std::function<absl::StatusOr<Response>(const state::Machine&)> answer,
            Reply<Response> reply) const;
  // As Read, for a value that has no revision.
  template <class Value>
  void Ask(const Call& call, node::Consistency consistency,
           std::function<absl::StatusOr<Value>(const state::Machine&)> answer,
           std::function<void(absl::StatusOr<Value>)> done) const;

  // The document that `ref` names and the caller may see.
  void Resolve(const Call& call, const v1::DocumentRef& ref,
               std::function<void(absl::StatusOr<DocId>)> done) const;

  // As Resolve, for a change. A repeated request whose first try, or another change since, renamed
  // or deleted the document must find its answer: the machine, which keeps it, is then asked about
  // no document (DocId()).
  void ResolveToChange(const Call& call, const v1::DocumentRef& ref, const v1::RequestId& request,
                       std::function<void(absl::StatusOr<DocId>)> done) const;

  node::Node& node() const { return node_; }
  CallRates& rates() const { return rates_; }

 private:
  // Of the apply thread's time: what every call costs, and is not counted.
  static constexpr absl::Duration kCheap = absl::Microseconds(50);

  node::Node& node_;
  CallRates& rates_;
};

// kNotFound unless the caller may see it. kInvalidArgument: `ref` names nothing.
absl::StatusOr<DocId> FindVisible(const state::Machine& state, const Caller& caller,
                                  const v1::DocumentRef& ref);

// kUnauthenticated if the caller's session is over in `state`: it was there when the call came in,
// on a node that may have been behind.
absl::Status CheckSession(const state::Machine& state, const Caller& caller);

template <class Value>
void NodeCalls::Ask(const Call& call, node::Consistency consistency,
                    std::function<absl::StatusOr<Value>(const state::Machine&)> answer,
                    std::function<void(absl::StatusOr<Value>)> done) const {
  auto result = std::make_shared<absl::StatusOr<Value>>(absl::UnknownError("not asked"));
  node_.Read(
      consistency, call.deadline,
      [this, result, caller = call.caller,
       answer = std::move(answer)](const state::Machine& state) {
        const absl::Duration begun = ThreadTime();
        const absl::Status session = CheckSession(state, caller);
        *result = session.ok() ? answer(state) : absl::StatusOr<Value>(session);
        const absl::Duration busy = ThreadTime() - begun;
        if (busy > kCheap) rates_.Charge(caller.user, busy, SteadyNow());
      },
      [this, result, done = std::move(done)](const absl::StatusOr<Revision>& read) {
        if (!read.ok()) return done(FromNode(read.status(), Effect::kNone, node_.status()));
        done(std::move(*result));
      });
}

template <class Response>
void NodeCalls::Read(const Call& call, v1::Consistency consistency,
                     std::function<absl::StatusOr<Response>(const state::Machine&)> answer,
                     Reply<Response> reply) const {
  Ask<Response>(
      call, FromProto(consistency),
      [answer = std::move(answer)](const state::Machine& state) {
        absl::StatusOr<Response> response = answer(state);
        if (response.ok()) response->set_revision(state.applied().index.value());
        return response;
      },
      std::move(reply));
}

}  // namespace coterie::rpc
