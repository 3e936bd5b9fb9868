#include "rpc/draft_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "rpc/status_map.h"
#include "rpc/to_proto.h"
#include "state/draft_changes.h"

namespace coterie::rpc {
namespace {

v1::Draft ToProto(DocId doc, const state::DraftView& draft) {
  v1::Draft proto;
  proto.set_document_id(doc.value());
  proto.set_user(draft.user);
  proto.set_created_at_ms(draft.created_at_ms);
  proto.set_saved_at_ms(draft.saved_at_ms);
  proto.set_size_bytes(draft.size_bytes);
  return proto;
}

bool MaySee(const state::Machine& state, const Caller& caller, DocId doc,
            const std::string& draft_user) {
  return draft_user == caller.user || state.RoleOf(caller.user, doc) == state::DocumentRole::kOwner;
}

// What GetDraft reads of the state.
struct Found {
  state::DraftSource source;
  v1::GetDraftResponse response;  // Without the changes.
};

absl::StatusOr<Found> Find(const state::Machine& state, const Caller& caller,
                           const v1::GetDraftRequest& request) {
  const absl::StatusOr<DocId> doc = FindVisible(state, caller, request.document());
  if (!doc.ok()) return doc.status();
  const std::string& user = request.user().empty() ? caller.user : request.user();
  std::optional<std::string> update;
  if (MaySee(state, caller, *doc, user)) update = state.DraftUpdate(*doc, user);
  // The content costs much: only for somebody who gets it.
  std::optional<std::string> content;
  if (update) content = state.UpdateAt(*doc, Revision(), {});
  if (!content) {
    return Error(absl::StatusCode::kNotFound, "NOT_FOUND",
                 "There is no such draft, or you may not see it; list them.");
  }
  Found found{.source = {.doc = *doc, .root = state.TextRootOf(*doc)}};
  for (const state::DraftView& draft : state.Drafts(*doc)) {
    if (draft.user == user) *found.response.mutable_draft() = ToProto(*doc, draft);
  }
  found.response.set_revision(state.applied().index.value());
  found.response.set_changes_left_out(content->size() > DraftService::kComparedBytesMax);
  if (!found.response.changes_left_out()) {
    found.source.content = *std::move(content);
    found.source.draft = *update;
  }
  found.response.set_update(*std::move(update));
  return found;
}

v1::GetDraftResponse Compare(Found found) {
  // None of a draft that does not fit the content: merging it says so.
  std::optional<std::vector<state::TextChange>> changes = state::ChangesOf(found.source);
  if (!changes) return std::move(found.response);
  for (state::TextChange& change : *changes) {
    v1::TextChange& proto = *found.response.add_changes();
    proto.set_position_bytes(change.position_bytes);
    proto.set_deleted(std::move(change.deleted));
    proto.set_inserted(std::move(change.inserted));
  }
  return std::move(found.response);
}

template <class Request>
std::string UserOf(const Call& call, const Request& request) {
  return request.user().empty() ? call.caller.user : request.user();
}

// Answers with the revision at which the command was applied.
template <class Response>
NodeCalls::OutcomeDone ReplyRevision(Reply<Response> reply) {
  return [reply = std::move(reply)](const absl::StatusOr<state::Outcome>& outcome) {
    if (!outcome.ok()) return reply(outcome.status());
    Response response;
    response.set_revision(outcome->revision.value());
    reply(std::move(response));
  };
}

}  // namespace

void DraftService::ListDrafts(const Call& call, v1::ListDraftsRequest request,
                              Reply<v1::ListDraftsResponse> reply) {
  calls_.Read<v1::ListDraftsResponse>(
      call, request.consistency(),
      [caller = call.caller, ref = request.document()](
          const state::Machine& state) -> absl::StatusOr<v1::ListDraftsResponse> {
        const absl::StatusOr<DocId> doc = FindVisible(state, caller, ref);
        if (!doc.ok()) return doc.status();
        v1::ListDraftsResponse response;
        for (const state::DraftView& draft : state.Drafts(*doc)) {
          if (MaySee(state, caller, *doc, draft.user)) {
            *response.add_drafts() = ToProto(*doc, draft);
          }
        }
        return response;
      },
      std::move(reply));
}

void DraftService::GetDraft(const Call& call, v1::GetDraftRequest request,
                            Reply<v1::GetDraftResponse> reply) {
  const v1::Consistency consistency = request.consistency();
  calls_.Ask<Found>(
      call, FromProto(consistency),
      [caller = call.caller, request = std::move(request)](const state::Machine& state) {
        return Find(state, caller, request);
      },
      [this, reply = std::move(reply)](absl::StatusOr<Found> found) {
        if (!found.ok()) return reply(found.status());
        if (found->response.changes_left_out()) return reply(std::move(found->response));
        auto kept = std::make_shared<Found>(*std::move(found));
        if (threads_.TryRun([kept, reply] { reply(Compare(std::move(*kept))); })) return;
        reply(Error(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                    "Too many drafts are being compared on this node; try again."));
      });
}

void DraftService::MergeDraft(const Call& call, v1::MergeDraftRequest request,
                              Reply<v1::MergeDraftResponse> reply) {
  calls_.ResolveToChange(call, request.document(), request.request_id(),
                         [this, call, request, reply](const absl::StatusOr<DocId>& doc) {
                           if (!doc.ok()) return reply(doc.status());
                           calls_.Propose(
                               call, request.request_id(),
                               state::MergeDraft{.doc = *doc,
                                                 .token = FencingToken(request.lock_token()),
                                                 .user = UserOf(call, request)},
                               ReplyRevision<v1::MergeDraftResponse>(reply));
                         });
}

void DraftService::DropDraft(const Call& call, v1::DropDraftRequest request,
                             Reply<v1::DropDraftResponse> reply) {
  calls_.ResolveToChange(call, request.document(), request.request_id(),
                         [this, call, request, reply](const absl::StatusOr<DocId>& doc) {
                           if (!doc.ok()) return reply(doc.status());
                           calls_.Propose(
                               call, request.request_id(),
                               state::DropDraft{.doc = *doc, .user = UserOf(call, request)},
                               ReplyRevision<v1::DropDraftResponse>(reply));
                         });
}

}  // namespace coterie::rpc
