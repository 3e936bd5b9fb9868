#include "cli/event_text.h"

#include <absl/strings/str_cat.h>

#include "cli/terminal.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kNamesMax = 10'000;
constexpr std::size_t kNameWidth = 64;
constexpr std::size_t kTextWidth = 60;

const char* LeftText(v1::Left::Reason reason) {
  switch (reason) {
    case v1::Left::REASON_LEASE_EXPIRED:
      return "is gone (no sign of life)";
    case v1::Left::REASON_LOGGED_OUT:
      return "logged out";
    default:
      return "left";
  }
}

const char* UnlockedText(v1::DocumentUnlocked::Reason reason) {
  switch (reason) {
    case v1::DocumentUnlocked::REASON_EXPIRED:
      return " (its time was up)";
    case v1::DocumentUnlocked::REASON_BROKEN:
      return " (broken by another)";
    case v1::DocumentUnlocked::REASON_HOLDER_LEFT:
      return " (its holder left)";
    case v1::DocumentUnlocked::REASON_DOCUMENT_DELETED:
      return " (deleted)";
    default:
      return "";
  }
}

}  // namespace

void EventText::Remember(std::uint64_t document_id, const std::string& name) {
  if (names_.size() < kNamesMax || names_.contains(document_id)) {
    names_.insert_or_assign(document_id, OneLine(name, kNameWidth));
  }
}

std::string EventText::Name(std::uint64_t document_id) const {
  const auto found = names_.find(document_id);
  return found == names_.end() ? absl::StrCat("id:", document_id) : found->second;
}

std::string EventText::Changed(const v1::DocumentChanged& changed) const {
  const char* verb = "edited";
  if (changed.kind() == v1::CHANGE_KIND_WRITE) verb = "wrote";
  if (changed.kind() == v1::CHANGE_KIND_RESTORE) verb = "restored";
  std::string text = absl::StrCat(verb, " ", Name(changed.document_id()));
  for (const v1::TextChange& change : changed.changes()) {
    if (!change.deleted().empty()) {
      absl::StrAppend(&text, "  -\"", OneLine(change.deleted(), kTextWidth), "\"");
    }
    if (!change.inserted().empty()) {
      absl::StrAppend(&text, "  +\"", OneLine(change.inserted(), kTextWidth), "\"");
    }
    if (text.size() > 4 * kTextWidth) return text + " ...";
  }
  return text;
}

template <class Body>
std::string EventText::Draft(const Body& body) const {
  return absl::StrCat(" the draft of ", OneLine(body.user(), kNameWidth), " for ",
                      Name(body.document_id()));
}

std::string EventText::Line(const v1::Event& event) {
  const std::string user =
      event.user().empty() ? std::string("the cluster") : OneLine(event.user(), kNameWidth);
  using Body = v1::Event::BodyCase;
  switch (event.body_case()) {
    case Body::kUserCreated:
      return absl::StrCat("user ", OneLine(event.user_created().name(), kNameWidth), " was added");
    case Body::kUserRemoved:
      return absl::StrCat("user ", OneLine(event.user_removed().name(), kNameWidth),
                          " was removed");
    case Body::kJoined:
      return absl::StrCat(user, " joined");
    case Body::kLeft:
      return absl::StrCat(user, " ", LeftText(event.left().reason()));
    case Body::kDocumentCreated:
      Remember(event.document_created().document_id(), event.document_created().name());
      return absl::StrCat(user, " created ", Name(event.document_created().document_id()));
    case Body::kDocumentRenamed: {
      const std::string before = Name(event.document_renamed().document_id());
      Remember(event.document_renamed().document_id(), event.document_renamed().name());
      return absl::StrCat(user, " renamed ", before, " to ",
                          Name(event.document_renamed().document_id()));
    }
    case Body::kDocumentDeleted:
      return absl::StrCat(user, " deleted ", OneLine(event.document_deleted().name(), kNameWidth));
    case Body::kDocumentShared:
      return absl::StrCat(user, " shared ", Name(event.document_shared().document_id()));
    case Body::kDocumentChanged:
      return absl::StrCat(user, " ", Changed(event.document_changed()));
    case Body::kDocumentLocked: {
      const v1::Lock& lock = event.document_locked().lock();
      if (!lock.document_name().empty()) Remember(lock.document_id(), lock.document_name());
      return absl::StrCat(user, event.document_locked().renewed() ? " still locks " : " locked ",
                          Name(lock.document_id()));
    }
    case Body::kDocumentUnlocked:
      return absl::StrCat(OneLine(event.document_unlocked().holder(), kNameWidth), " unlocked ",
                          Name(event.document_unlocked().document_id()),
                          UnlockedText(event.document_unlocked().reason()));
    case Body::kSuggestionsAdded:
      return absl::StrCat(OneLine(event.suggestions_added().author(), kNameWidth), " suggests ",
                          event.suggestions_added().count(), " changes of ",
                          Name(event.suggestions_added().document_id()));
    case Body::kSuggestionResolved: {
      const v1::SuggestionResolved& resolved = event.suggestion_resolved();
      const bool is_accepted = resolved.resolution() == v1::SuggestionResolved::RESOLUTION_ACCEPTED;
      const bool is_stale = resolved.resolution() == v1::SuggestionResolved::RESOLUTION_STALE;
      return absl::StrCat(user,
                          is_accepted ? " accepted "
                          : is_stale  ? " outran "
                                      : " rejected ",
                          "a suggestion for ", Name(resolved.document_id()));
    }
    case Body::kDraftSaved:
      return user + " keeps" + Draft(event.draft_saved());
    case Body::kDraftMerged:
      return user + " merged" + Draft(event.draft_merged());
    case Body::kDraftDropped:
      return user + " dropped" + Draft(event.draft_dropped());
    case Body::BODY_NOT_SET:
      break;
  }
  return "something happened that this version of coterie does not know";
}

}  // namespace coterie::cli
