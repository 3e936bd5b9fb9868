#include "rpc/document_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "crdt/lib0.h"
#include "crdt/state_vector.h"
#include "crdt/update_v2.h"
#include "rpc/document_list.h"
#include "rpc/to_proto.h"
#include "state/delta_json.h"

namespace coterie::rpc {
namespace {

constexpr std::uint32_t kVersionsDefault = 100;
constexpr std::uint32_t kVersionsPageMax = 1'000;

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", message);
}

state::PositionUnit FromProto(v1::PositionUnit unit) {
  return unit == v1::POSITION_UNIT_CODE_POINT ? state::PositionUnit::kCodePoint
                                              : state::PositionUnit::kUtf16;
}

// What is wrong with a request to edit; `steps` gets its delta, if it has one.
absl::Status TakeDelta(v1::EditDocumentRequest& request, std::vector<state::DeltaStep>& steps) {
  if (request.delta().empty()) {
    if (request.splices_size() > 0) return absl::OkStatus();
    return Invalid("The edit has neither splices nor a delta; send one of them.");
  }
  if (request.splices_size() > 0) {
    return Invalid("The edit has splices and a delta; send one or the other.");
  }
  state::ParsedDelta parsed = state::ParseDeltaJson(request.delta());
  if (!parsed.why_not.empty()) return Invalid(parsed.why_not);
  steps = std::move(parsed.steps);
  return absl::OkStatus();
}

state::CommandBody EditOf(DocId doc, v1::EditDocumentRequest& request) {
  state::Edit edit{.doc = doc,
                   .token = FencingToken(request.lock_token()),
                   .base = Revision(request.base_revision()),
                   .unit = FromProto(request.unit())};
  edit.splices.reserve(static_cast<std::size_t>(request.splices_size()));
  for (v1::Splice& splice : *request.mutable_splices()) {
    edit.splices.push_back({.position = splice.position(),
                            .deleted = splice.deleted(),
                            .inserted = std::move(*splice.mutable_inserted())});
  }
  return edit;
}

absl::Status NoSuchVersion(std::uint64_t version) {
  return WithDetail(
      absl::OutOfRangeError("Version " + std::to_string(version) +
                            " of the document is not there (any more); list its versions."),
      {.reason = "OUT_OF_RANGE"});
}

absl::Status Malformed(std::string_view what, const crdt::Malformed& malformed) {
  return Invalid("The " + std::string(what) + " is malformed at byte " +
                 std::to_string(malformed.offset_bytes) + ": " + std::string(malformed.reason) +
                 ".");
}

absl::StatusOr<v1::GetDocumentResponse> Describe(const state::Machine& state, const Caller& caller,
                                                 const v1::GetDocumentRequest& request) {
  const absl::StatusOr<DocId> id = FindVisible(state, caller, request.document());
  if (!id.ok()) return id.status();
  v1::GetDocumentResponse response;
  *response.mutable_document() =
      ToProto(*state.FindDocument(*id), state.RoleOf(caller.user, *id), caller.session);
  if (request.without_text()) return response;
  std::optional<state::Reading> reading =
      state.ReadingAt(*id, Revision(request.version()), request.root());
  if (!reading) return NoSuchVersion(request.version());
  response.set_text(std::move(reading->text));
  response.set_is_projection(reading->is_projection);
  return response;
}

absl::StatusOr<v1::GetUpdateResponse> UpdateOf(const state::Machine& state, const Caller& caller,
                                               const v1::GetUpdateRequest& request,
                                               const crdt::StateVector& known) {
  const absl::StatusOr<DocId> id = FindVisible(state, caller, request.document());
  if (!id.ok()) return id.status();
  std::optional<std::string> update = state.UpdateAt(*id, Revision(request.version()), known);
  if (!update) return NoSuchVersion(request.version());
  v1::GetUpdateResponse response;
  response.set_update(*std::move(update));
  return response;
}

}  // namespace

template <class Request, class Response>
void DocumentService::Change(const Call& call, Request request,
                             std::function<state::CommandBody(DocId, Request&)> body,
                             Reply<Response> reply) {
  const v1::DocumentRef ref = request.document();
  const v1::RequestId id = request.request_id();
  calls_.ResolveToChange(call, ref, id,
                         [this, call, id, request = std::move(request), body,
                          reply](const absl::StatusOr<DocId>& doc) mutable {
                           if (!doc.ok()) return reply(doc.status());
                           calls_.Propose(
                               call, id, body(*doc, request),
                               [call, reply](const absl::StatusOr<state::Outcome>& outcome) {
                                 if (!outcome.ok()) return reply(outcome.status());
                                 Response response;
                                 response.set_revision(outcome->revision.value());
                                 if constexpr (requires { response.mutable_lock(); }) {
                                   if (outcome->lock) {
                                     *response.mutable_lock() =
                                         ToProto(*outcome->lock, call.caller.session);
                                   }
                                 }
                                 reply(std::move(response));
                               });
                         });
}

void DocumentService::CreateDocument(const Call& call, v1::CreateDocumentRequest request,
                                     Reply<v1::CreateDocumentResponse> reply) {
  state::CreateDocument create{.name = std::move(*request.mutable_name()),
                               .text = std::move(*request.mutable_text())};
  if (request.everyone() != v1::ROLE_UNSPECIFIED) {
    const std::optional<state::DocumentRole> role = FromProto(request.everyone());
    if (!role) return reply(Invalid("The role for everyone is unknown."));
    create.everyone = *role;
  }
  calls_.Propose(call, request.request_id(), std::move(create),
                 [reply = std::move(reply)](const absl::StatusOr<state::Outcome>& outcome) {
                   if (!outcome.ok()) return reply(outcome.status());
                   v1::CreateDocumentResponse response;
                   response.set_document_id(outcome->doc.value());
                   response.set_revision(outcome->revision.value());
                   reply(std::move(response));
                 });
}

void DocumentService::GetDocument(const Call& call, v1::GetDocumentRequest request,
                                  Reply<v1::GetDocumentResponse> reply) {
  const v1::Consistency consistency = request.consistency();
  calls_.Read<v1::GetDocumentResponse>(
      call, consistency,
      [caller = call.caller, request = std::move(request)](const state::Machine& state) {
        return Describe(state, caller, request);
      },
      std::move(reply));
}

void DocumentService::ListDocuments(const Call& call, v1::ListDocumentsRequest request,
                                    Reply<v1::ListDocumentsResponse> reply) {
  const v1::Consistency consistency = request.consistency();
  calls_.Read<v1::ListDocumentsResponse>(
      call, consistency,
      [caller = call.caller, request = std::move(request)](const state::Machine& state) {
        return rpc::ListDocuments(state, caller, request);
      },
      std::move(reply));
}

void DocumentService::RenameDocument(const Call& call, v1::RenameDocumentRequest request,
                                     Reply<v1::RenameDocumentResponse> reply) {
  Change<v1::RenameDocumentRequest, v1::RenameDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::RenameDocumentRequest& from) -> state::CommandBody {
        return state::RenameDocument{.doc = doc, .name = std::move(*from.mutable_new_name())};
      },
      std::move(reply));
}

void DocumentService::DeleteDocument(const Call& call, v1::DeleteDocumentRequest request,
                                     Reply<v1::DeleteDocumentResponse> reply) {
  Change<v1::DeleteDocumentRequest, v1::DeleteDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::DeleteDocumentRequest&) -> state::CommandBody {
        return state::DeleteDocument{.doc = doc};
      },
      std::move(reply));
}

void DocumentService::ShareDocument(const Call& call, v1::ShareDocumentRequest request,
                                    Reply<v1::ShareDocumentResponse> reply) {
  const std::optional<state::DocumentRole> role = FromProto(request.grant().role());
  if (!role) {
    return reply(Invalid("The grant names no role; give none, viewer, editor or owner."));
  }
  Change<v1::ShareDocumentRequest, v1::ShareDocumentResponse>(
      call, std::move(request),
      [role = *role](DocId doc, v1::ShareDocumentRequest& from) -> state::CommandBody {
        return state::ShareDocument{.doc = doc, .user = from.grant().user(), .role = role};
      },
      std::move(reply));
}

void DocumentService::WriteDocument(const Call& call, v1::WriteDocumentRequest request,
                                    Reply<v1::WriteDocumentResponse> reply) {
  Change<v1::WriteDocumentRequest, v1::WriteDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::WriteDocumentRequest& from) -> state::CommandBody {
        return state::Write{.doc = doc,
                            .token = FencingToken(from.lock_token()),
                            .text = std::move(*from.mutable_text())};
      },
      std::move(reply));
}

void DocumentService::EditDocument(const Call& call, v1::EditDocumentRequest request,
                                   Reply<v1::EditDocumentResponse> reply) {
  std::vector<state::DeltaStep> steps;
  if (const absl::Status status = TakeDelta(request, steps); !status.ok()) return reply(status);
  if (request.delta().empty()) {
    return Change<v1::EditDocumentRequest, v1::EditDocumentResponse>(call, std::move(request),
                                                                     EditOf, std::move(reply));
  }
  Change<v1::EditDocumentRequest, v1::EditDocumentResponse>(
      call, std::move(request),
      [steps = std::move(steps)](DocId doc, v1::EditDocumentRequest& from) -> state::CommandBody {
        return state::EditDelta{.doc = doc,
                                .token = FencingToken(from.lock_token()),
                                .base = Revision(from.base_revision()),
                                .unit = FromProto(from.unit()),
                                .steps = steps};
      },
      std::move(reply));
}

void DocumentService::AppendDocument(const Call& call, v1::AppendDocumentRequest request,
                                     Reply<v1::AppendDocumentResponse> reply) {
  Change<v1::AppendDocumentRequest, v1::AppendDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::AppendDocumentRequest& from) -> state::CommandBody {
        return state::Append{.doc = doc,
                             .token = FencingToken(from.lock_token()),
                             .text = std::move(*from.mutable_text())};
      },
      std::move(reply));
}

void DocumentService::GetUpdate(const Call& call, v1::GetUpdateRequest request,
                                Reply<v1::GetUpdateResponse> reply) {
  crdt::StateVector known;
  if (!request.state_vector().empty()) {
    crdt::Lib0Reader reader(request.state_vector());
    known = crdt::StateVector::Decode(reader);
    if (!reader.ok()) return reply(Malformed("state vector", reader.malformed()));
  }
  const bool is_v2 = request.format() == v1::UPDATE_FORMAT_V2;
  const v1::Consistency consistency = request.consistency();
  calls_.Read<v1::GetUpdateResponse>(
      call, consistency,
      [caller = call.caller, request = std::move(request), known](const state::Machine& state) {
        return UpdateOf(state, caller, request, known);
      },
      [is_v2, reply = std::move(reply)](absl::StatusOr<v1::GetUpdateResponse> response) {
        // Not on the apply thread's time.
        if (response.ok() && is_v2) {
          response->set_update(crdt::TranscodeToV2(response->update()).update);
        }
        reply(std::move(response));
      });
}

void DocumentService::ApplyUpdate(const Call& call, v1::ApplyUpdateRequest request,
                                  Reply<v1::ApplyUpdateResponse> reply) {
  if (request.format() == v1::UPDATE_FORMAT_V2) {
    crdt::Transcoded v1 = crdt::TranscodeToV1(request.update(), state::kUpdateBytesMax);
    if (v1.malformed) return reply(Malformed("update", v1.malformed));
    request.set_update(std::move(v1.update));
  }
  Change<v1::ApplyUpdateRequest, v1::ApplyUpdateResponse>(
      call, std::move(request),
      [](DocId doc, v1::ApplyUpdateRequest& from) -> state::CommandBody {
        return state::ApplyUpdate{.doc = doc,
                                  .token = FencingToken(from.lock_token()),
                                  .update = std::move(*from.mutable_update())};
      },
      std::move(reply));
}

void DocumentService::LockDocument(const Call& call, v1::LockDocumentRequest request,
                                   Reply<v1::LockDocumentResponse> reply) {
  Change<v1::LockDocumentRequest, v1::LockDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::LockDocumentRequest& from) -> state::CommandBody {
        return state::Lock{.doc = doc, .ttl_ms = from.ttl_ms()};
      },
      std::move(reply));
}

void DocumentService::UnlockDocument(const Call& call, v1::UnlockDocumentRequest request,
                                     Reply<v1::UnlockDocumentResponse> reply) {
  Change<v1::UnlockDocumentRequest, v1::UnlockDocumentResponse>(
      call, std::move(request),
      [](DocId doc, v1::UnlockDocumentRequest& from) -> state::CommandBody {
        return state::Unlock{.doc = doc, .token = FencingToken(from.lock_token())};
      },
      std::move(reply));
}

void DocumentService::BreakLock(const Call& call, v1::BreakLockRequest request,
                                Reply<v1::BreakLockResponse> reply) {
  Change<v1::BreakLockRequest, v1::BreakLockResponse>(
      call, std::move(request),
      [](DocId doc, v1::BreakLockRequest&) -> state::CommandBody {
        return state::BreakLock{.doc = doc};
      },
      std::move(reply));
}

void DocumentService::ListLocks(const Call& call, v1::ListLocksRequest request,
                                Reply<v1::ListLocksResponse> reply) {
  calls_.Read<v1::ListLocksResponse>(
      call, request.consistency(),
      [caller = call.caller](const state::Machine& state) {
        v1::ListLocksResponse response;
        for (const state::LockView& lock : state.Locks()) {
          if (state.RoleOf(caller.user, lock.doc) == state::DocumentRole::kNone) continue;
          *response.add_locks() = ToProto(lock, caller.session);
        }
        return response;
      },
      std::move(reply));
}

void DocumentService::ListVersions(const Call& call, v1::ListVersionsRequest request,
                                   Reply<v1::ListVersionsResponse> reply) {
  const std::uint32_t limit =
      request.limit() == 0 ? kVersionsDefault : std::min(request.limit(), kVersionsPageMax);
  calls_.Read<v1::ListVersionsResponse>(
      call, request.consistency(),
      [caller = call.caller, ref = request.document(), limit, before = Revision(request.before())](
          const state::Machine& state) -> absl::StatusOr<v1::ListVersionsResponse> {
        const absl::StatusOr<DocId> id = FindVisible(state, caller, ref);
        if (!id.ok()) return id.status();
        v1::ListVersionsResponse response;
        for (const state::VersionView& version : state.Versions(*id, before, limit)) {
          *response.add_versions() = ToProto(version);
        }
        return response;
      },
      std::move(reply));
}

void DocumentService::RestoreVersion(const Call& call, v1::RestoreVersionRequest request,
                                     Reply<v1::RestoreVersionResponse> reply) {
  if (request.version() == 0) return reply(Invalid("The request names no version; list them."));
  Change<v1::RestoreVersionRequest, v1::RestoreVersionResponse>(
      call, std::move(request),
      [](DocId doc, v1::RestoreVersionRequest& from) -> state::CommandBody {
        return state::Restore{.doc = doc,
                              .token = FencingToken(from.lock_token()),
                              .version = Revision(from.version())};
      },
      std::move(reply));
}

}  // namespace coterie::rpc
