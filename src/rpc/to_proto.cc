#include "rpc/to_proto.h"

#include <absl/strings/str_join.h>

#include <variant>

#include "base/overload.h"
#include "state/names.h"

namespace coterie::rpc {
namespace {

v1::Left::Reason ReasonOf(state::LeaveReason reason) {
  using enum state::LeaveReason;
  switch (reason) {
    case kDetached:
      return v1::Left::REASON_DETACHED;
    case kLeaseExpired:
      return v1::Left::REASON_LEASE_EXPIRED;
    case kLoggedOut:
      return v1::Left::REASON_LOGGED_OUT;
  }
  return v1::Left::REASON_UNSPECIFIED;
}

v1::DocumentUnlocked::Reason ReasonOf(state::UnlockReason reason) {
  using enum state::UnlockReason;
  switch (reason) {
    case kReleased:
      return v1::DocumentUnlocked::REASON_RELEASED;
    case kExpired:
      return v1::DocumentUnlocked::REASON_EXPIRED;
    case kBroken:
      return v1::DocumentUnlocked::REASON_BROKEN;
    case kHolderLeft:
      return v1::DocumentUnlocked::REASON_HOLDER_LEFT;
    case kDeleted:
      return v1::DocumentUnlocked::REASON_DOCUMENT_DELETED;
  }
  return v1::DocumentUnlocked::REASON_UNSPECIFIED;
}

// Who did something together, for people; and into `names`, when they are several, for programs.
std::string NameAll(const std::string& joined,
                    google::protobuf::RepeatedPtrField<std::string>& names) {
  const std::vector<std::string> all = state::SplitNames(joined);
  if (all.size() > 1) names.Assign(all.begin(), all.end());
  return absl::StrJoin(all, ", ");
}

void Fill(const state::DocumentChanged& changed, Texts texts, v1::DocumentChanged& proto) {
  proto.set_document_id(changed.doc.value());
  proto.set_kind(ToProto(changed.kind));
  proto.set_previous_revision(changed.previous.value());
  if (texts == Texts::kWithout) return;
  if (texts == Texts::kWithUpdates) proto.set_update(changed.update);
  for (const state::TextChange& change : changed.changes) {
    v1::TextChange& one = *proto.add_changes();
    one.set_position_bytes(change.position_bytes);
    one.set_deleted(change.deleted);
    one.set_inserted(change.inserted);
  }
}

void Fill(const state::DocumentShared& shared, v1::DocumentShared& proto) {
  proto.set_document_id(shared.doc.value());
  proto.mutable_grant()->set_user(shared.user);
  proto.mutable_grant()->set_role(ToProto(shared.role));
}

void Fill(const state::DocumentUnlocked& unlocked, v1::DocumentUnlocked& proto) {
  proto.set_document_id(unlocked.doc.value());
  proto.set_holder(unlocked.holder);
  proto.set_reason(ReasonOf(unlocked.reason));
}

v1::SuggestionResolved::Resolution ResolutionOf(state::Resolution resolution) {
  using enum state::Resolution;
  switch (resolution) {
    case kAccepted:
      return v1::SuggestionResolved::RESOLUTION_ACCEPTED;
    case kRejected:
      return v1::SuggestionResolved::RESOLUTION_REJECTED;
    case kStale:
      return v1::SuggestionResolved::RESOLUTION_STALE;
  }
  return v1::SuggestionResolved::RESOLUTION_UNSPECIFIED;
}

void Fill(const state::SuggestionsAdded& added, v1::SuggestionsAdded& proto) {
  proto.set_document_id(added.doc.value());
  proto.set_kind(ToProto(added.kind));
  proto.set_author(added.author);
  proto.set_model(added.model);
  proto.set_count(static_cast<std::uint32_t>(added.count));
}

template <class Body, class Proto>
void FillDraft(const Body& body, Proto& proto) {
  proto.set_document_id(body.doc.value());
  proto.set_user(body.user);
}

void Fill(const state::SuggestionResolved& resolved, v1::SuggestionResolved& proto) {
  proto.set_document_id(resolved.doc.value());
  proto.mutable_suggestion()->set_batch(resolved.batch.value());
  proto.mutable_suggestion()->set_ordinal(static_cast<std::uint32_t>(resolved.ordinal));
  proto.set_resolution(ResolutionOf(resolved.resolution));
}

}  // namespace

v1::Role ToProto(state::DocumentRole role) {
  using enum state::DocumentRole;
  switch (role) {
    case kNone:
      return v1::ROLE_NONE;
    case kViewer:
      return v1::ROLE_VIEWER;
    case kEditor:
      return v1::ROLE_EDITOR;
    case kOwner:
      return v1::ROLE_OWNER;
  }
  return v1::ROLE_UNSPECIFIED;
}

std::optional<state::DocumentRole> FromProto(v1::Role role) {
  switch (role) {
    case v1::ROLE_NONE:
      return state::DocumentRole::kNone;
    case v1::ROLE_VIEWER:
      return state::DocumentRole::kViewer;
    case v1::ROLE_EDITOR:
      return state::DocumentRole::kEditor;
    case v1::ROLE_OWNER:
      return state::DocumentRole::kOwner;
    default:  // Unspecified, or of a newer client.
      return std::nullopt;
  }
}

v1::ChangeKind ToProto(state::ChangeKind kind) {
  using enum state::ChangeKind;
  switch (kind) {
    case kWrite:
      return v1::CHANGE_KIND_WRITE;
    case kEdit:
      return v1::CHANGE_KIND_EDIT;
    case kRestore:
      return v1::CHANGE_KIND_RESTORE;
  }
  return v1::CHANGE_KIND_UNSPECIFIED;
}

v1::Lock ToProto(const state::LockView& lock, SessionId viewer) {
  v1::Lock proto;
  proto.set_document_id(lock.doc.value());
  proto.set_document_name(lock.document_name);
  proto.set_holder(lock.holder);
  proto.set_session_id(lock.session.value());
  if (lock.session == viewer) proto.set_token(lock.token.value());
  proto.set_ttl_ms(lock.ttl_ms);
  proto.set_expires_at_ms(lock.expires_at_ms);
  return proto;
}

v1::Document ToProto(const state::DocumentView& document, state::DocumentRole role,
                     SessionId viewer) {
  v1::Document proto;
  proto.set_id(document.id.value());
  proto.set_name(document.name);
  proto.set_owner(document.owner);
  proto.set_role(ToProto(role));
  proto.add_grants()->set_role(ToProto(document.everyone));
  for (const auto& [user, granted] : document.roles) {
    v1::Grant& grant = *proto.add_grants();
    grant.set_user(user);
    grant.set_role(ToProto(granted));
  }
  proto.set_size_bytes(document.size_bytes);
  proto.set_revision(document.revision.value());
  proto.set_author(NameAll(document.author, *proto.mutable_authors()));
  proto.set_created_at_ms(document.created_at_ms);
  proto.set_changed_at_ms(document.changed_at_ms);
  if (document.lock) *proto.mutable_lock() = ToProto(*document.lock, viewer);
  return proto;
}

v1::Version ToProto(const state::VersionView& version) {
  v1::Version proto;
  proto.set_revision(version.revision.value());
  proto.set_author(NameAll(version.author, *proto.mutable_authors()));
  proto.set_time_ms(version.time_ms);
  proto.set_kind(ToProto(version.kind));
  proto.set_inserted_bytes(version.inserted_bytes);
  proto.set_deleted_bytes(version.deleted_bytes);
  proto.set_assistant(version.assistant);
  return proto;
}

v1::SuggestionKind ToProto(state::SuggestionKind kind) {
  using enum state::SuggestionKind;
  switch (kind) {
    case kGrammar:
      return v1::SUGGESTION_KIND_GRAMMAR;
    case kEnhance:
      return v1::SUGGESTION_KIND_ENHANCE;
    case kContinue:
      return v1::SUGGESTION_KIND_CONTINUE;
  }
  return v1::SUGGESTION_KIND_UNSPECIFIED;
}

v1::Suggestion ToProto(const state::SuggestionView& suggestion) {
  v1::Suggestion proto;
  proto.mutable_id()->set_batch(suggestion.batch.value());
  proto.mutable_id()->set_ordinal(static_cast<std::uint32_t>(suggestion.ordinal));
  proto.set_kind(ToProto(suggestion.kind));
  proto.set_user(suggestion.user);
  proto.set_author(suggestion.author);
  proto.set_model(suggestion.model);
  proto.set_created_at_ms(suggestion.created_at_ms);
  proto.set_is_stale(!suggestion.range.has_value());
  if (suggestion.range) {
    proto.set_begin(suggestion.range->first);
    proto.set_end(suggestion.range->second);
  }
  proto.set_begin_anchor(suggestion.begin_anchor);
  // Of an insertion the second one would stay behind what is typed there.
  proto.set_end_anchor(suggestion.before.empty() ? suggestion.begin_anchor : suggestion.end_anchor);
  proto.set_before(suggestion.before);
  proto.set_after(suggestion.after);
  proto.set_why(suggestion.why);
  return proto;
}

v1::Event ToProto(const state::Event& event, Texts texts, SessionId viewer) {
  v1::Event proto;
  proto.set_user(NameAll(event.user, *proto.mutable_users()));
  std::visit(
      Overload{
          [&](const state::UserCreated& body) {
            proto.mutable_user_created()->set_name(body.name);
          },
          [&](const state::UserRemoved& body) {
            proto.mutable_user_removed()->set_name(body.name);
          },
          [&](const state::Joined& body) {
            proto.mutable_joined()->set_session_id(body.session.value());
          },
          [&](const state::Left& body) {
            proto.mutable_left()->set_session_id(body.session.value());
            proto.mutable_left()->set_reason(ReasonOf(body.reason));
          },
          [&](const state::DocumentCreated& body) {
            proto.mutable_document_created()->set_document_id(body.doc.value());
            proto.mutable_document_created()->set_name(body.name);
          },
          [&](const state::DocumentRenamed& body) {
            proto.mutable_document_renamed()->set_document_id(body.doc.value());
            proto.mutable_document_renamed()->set_name(body.name);
          },
          [&](const state::DocumentDeleted& body) {
            proto.mutable_document_deleted()->set_document_id(body.doc.value());
            proto.mutable_document_deleted()->set_name(body.name);
          },
          [&](const state::DocumentShared& body) { Fill(body, *proto.mutable_document_shared()); },
          [&](const state::DocumentChanged& body) {
            Fill(body, texts, *proto.mutable_document_changed());
          },
          [&](const state::DocumentLocked& body) {
            *proto.mutable_document_locked()->mutable_lock() = ToProto(body.lock, viewer);
            proto.mutable_document_locked()->set_renewed(body.renewed);
          },
          [&](const state::DocumentUnlocked& body) {
            Fill(body, *proto.mutable_document_unlocked());
          },
          [&](const state::SuggestionsAdded& body) {
            Fill(body, *proto.mutable_suggestions_added());
          },
          [&](const state::SuggestionResolved& body) {
            Fill(body, *proto.mutable_suggestion_resolved());
          },
          [&](const state::DraftSaved& body) {
            FillDraft(body, *proto.mutable_draft_saved());
            proto.mutable_draft_saved()->set_size_bytes(body.size_bytes);
          },
          [&](const state::DraftMerged& body) { FillDraft(body, *proto.mutable_draft_merged()); },
          [&](const state::DraftDropped& body) { FillDraft(body, *proto.mutable_draft_dropped()); },
      },
      event.body);
  return proto;
}

}  // namespace coterie::rpc
