#include "rpc/node_calls.h"

#include <optional>

#include "rpc/authenticate.h"
#include "state/command_check.h"

namespace coterie::rpc {
namespace {

// As an error says it. What no name can be is not repeated: cut off, it might be no text any more.
std::string NameFor(const v1::DocumentRef& ref) {
  if (ref.ref_case() != v1::DocumentRef::kName) return "with id " + std::to_string(ref.id());
  if (ref.name().size() > state::kNameBytesMax) return "with a name of more than 256 bytes";
  return "\"" + ref.name() + "\"";
}

absl::Status NoSuchDocument(const std::string& name) {
  return WithDetail(absl::NotFoundError("There is no document " + name +
                                        ", or none that you may see; list what there is."),
                    {.reason = "NOT_FOUND", .metadata = {{"document", name}}});
}

}  // namespace

state::RequestId FromProto(const v1::RequestId& id) {
  return {.client = ClientId(id.client_id()),
          .sequence = id.sequence(),
          .acked_below = id.acked_below()};
}

node::Consistency FromProto(v1::Consistency consistency) {
  return consistency == v1::CONSISTENCY_STALE ? node::Consistency::kStale
                                              : node::Consistency::kLinearizable;
}

void NodeCalls::Propose(const Call& call, const v1::RequestId& request, state::CommandBody body,
                        OutcomeDone done) const {
  const state::Command command{
      .session = call.caller.session, .request = FromProto(request), .body = std::move(body)};
  if (const std::optional<state::Outcome> refusal = state::RefuseMalformed(command)) {
    return done(FromOutcome(*refusal));
  }
  node_.Propose(command, call.deadline,
                [this, user = call.caller.user,
                 done = std::move(done)](absl::StatusOr<state::Outcome> outcome) {
                  if (outcome.ok() && outcome->code == state::Code::kTooMuchWork) {
                    rates_.Charge(user, kCostOfRefused, SteadyNow());
                  }
                  if (!outcome.ok()) {
                    return done(FromNode(outcome.status(), Effect::kUnknown, node_.status()));
                  }
                  if (!outcome->ok()) return done(FromOutcome(*outcome));
                  done(std::move(outcome));
                });
}

absl::Status CheckSession(const state::Machine& state, const Caller& caller) {
  if (caller.session.IsNone() || state.FindSession(caller.session)) return absl::OkStatus();
  return NoSession();
}

absl::StatusOr<DocId> FindVisible(const state::Machine& state, const Caller& caller,
                                  const v1::DocumentRef& ref) {
  std::optional<state::DocumentView> document;
  switch (ref.ref_case()) {
    case v1::DocumentRef::kId:
      document = state.FindDocument(DocId(ref.id()));
      break;
    case v1::DocumentRef::kName:
      if (ref.name().size() <= state::kNameBytesMax) {
        document = state.FindDocumentByName(ref.name());
      }
      break;
    case v1::DocumentRef::REF_NOT_SET:
      return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                   "The request names no document; give its id or its name.");
  }
  if (document && state.RoleOf(caller.user, document->id) != state::DocumentRole::kNone) {
    return document->id;
  }
  return NoSuchDocument(NameFor(ref));
}

void NodeCalls::Resolve(const Call& call, const v1::DocumentRef& ref,
                        std::function<void(absl::StatusOr<DocId>)> done) const {
  // Whether an id may be seen, the command that names it is told by the machine.
  if (ref.ref_case() == v1::DocumentRef::kId && ref.id() != 0) return done(DocId(ref.id()));
  Ask<DocId>(
      call, node::Consistency::kLinearizable,
      [caller = call.caller, ref](const state::Machine& state) {
        return FindVisible(state, caller, ref);
      },
      std::move(done));
}

void NodeCalls::ResolveToChange(const Call& call, const v1::DocumentRef& ref,
                                const v1::RequestId& request,
                                std::function<void(absl::StatusOr<DocId>)> done) const {
  const bool may_be_repeated = ref.ref_case() == v1::DocumentRef::kName && request.sequence() > 0;
  Resolve(call, ref, [may_be_repeated, done = std::move(done)](absl::StatusOr<DocId> doc) {
    if (may_be_repeated && absl::IsNotFound(doc.status())) return done(DocId());
    done(std::move(doc));
  });
}

}  // namespace coterie::rpc
