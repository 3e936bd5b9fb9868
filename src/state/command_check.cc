#include "state/command_check.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/overload.h"
#include "base/utf8.h"
#include "crdt/json.h"
#include "crdt/validate.h"
#include "state/names.h"

namespace coterie::state {
namespace {

Outcome Invalid(std::string message) {
  return {.code = Code::kInvalidArgument, .message = std::move(message)};
}
Outcome Exhausted(std::string message) {
  return {.code = Code::kExhausted, .message = std::move(message)};
}

std::optional<Outcome> UnfitName(std::string_view what, std::string_view why) {
  if (why.empty()) return std::nullopt;
  return Invalid(std::string("The ").append(what).append(" ").append(why).append(
      "; use 1 to 256 bytes of UTF-8 without control characters or blanks at its ends."));
}
std::optional<Outcome> CheckName(std::string_view what, std::string_view name) {
  return UnfitName(what, WhyUnfitName(name));
}
std::optional<Outcome> RefuseUnfitDocumentName(std::string_view name) {
  return UnfitName("document's name", WhyUnfitDocumentName(name));
}

std::optional<Outcome> CheckText(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return Exhausted(
        "The text is longer than 64 MiB (kTextBytesMax); split it over several documents.");
  }
  if (!IsValidUtf8(text)) return Invalid("The text is not valid UTF-8; convert it first.");
  return std::nullopt;
}

std::optional<Outcome> CheckHash(std::string_view hash) {
  if (hash.size() <= kPasswordHashBytesMax && IsValidUtf8(hash)) return std::nullopt;
  return Invalid("The password hash is longer than 1024 bytes or not text; hash with Argon2id.");
}

std::optional<Outcome> CheckLogin(const Login& login) {
  if (auto refusal = CheckName("user name", login.user)) return refusal;
  if (auto refusal = CheckHash(login.verified_hash)) return refusal;
  if (login.token_hash.size() != kTokenHashBytes) {
    return Invalid("The hash of the session's token must be 32 bytes.");
  }
  if (login.lifetime_ms == 0)
    return Invalid("The session's lifetime is 0; give one in milliseconds.");
  return std::nullopt;
}

std::optional<Outcome> CheckSplices(const Edit& edit) {
  if (edit.splices.size() > kSplicesMax) {
    return Exhausted("The edit has more than 1000 splices (kSplicesMax); send several edits.");
  }
  std::uint64_t previous_end = 0;
  std::uint64_t inserted_bytes = 0;
  for (const Splice& splice : edit.splices) {
    if (splice.position < previous_end) {
      return Invalid(
          "The splices overlap or descend; sort them by position, all as in the text before "
          "the edit.");
    }
    if (splice.deleted > kTextBytesMax || splice.position > kTextBytesMax) {
      return Invalid("A splice lies beyond any text's end (kTextBytesMax).");
    }
    previous_end = splice.position + splice.deleted;
    inserted_bytes += splice.inserted.size();
    if (inserted_bytes > kTextBytesMax)
      return Exhausted("The edit inserts more than 64 MiB (kTextBytesMax).");
    if (!IsValidUtf8(splice.inserted)) return Invalid("An inserted text is not valid UTF-8.");
  }
  return std::nullopt;
}

std::optional<Outcome> CheckJsonValue(std::string_view what, std::string_view json) {
  if (!IsValidUtf8(json)) return Invalid(std::string(what).append(" is not valid UTF-8."));
  const crdt::Malformed malformed = crdt::CheckJson(json);
  if (!malformed) return std::nullopt;
  return Invalid(std::string(what).append(" is no JSON, at byte ") +
                 std::to_string(malformed.offset_bytes) + ": " + std::string(malformed.reason) +
                 ".");
}

std::optional<Outcome> CheckAttributes(const DeltaStep& step) {
  if (step.attributes.size() > kAttributesMax) {
    return Exhausted("A step of the delta has more than 64 attributes (kAttributesMax).");
  }
  if (step.kind == StepKind::kDelete && !step.attributes.empty()) {
    return Invalid("A step of the delta deletes and has attributes; leave them out.");
  }
  for (auto at = step.attributes.begin(); at != step.attributes.end(); ++at) {
    const std::string& name = at->first;
    const std::string& json = at->second;
    if (name.size() + json.size() > kAttributeBytesMax) {
      return Exhausted("An attribute is longer than 64 KiB (kAttributeBytesMax).");
    }
    const auto is_same = [&name](const auto& other) { return other.first == name; };
    if (name.empty() || !IsValidUtf8(name) || std::any_of(step.attributes.begin(), at, is_same)) {
      return Invalid("An attribute has no name, one that is no UTF-8, or one that is there twice.");
    }
    if (auto refusal = CheckJsonValue("An attribute's value", json)) return refusal;
  }
  return std::nullopt;
}

std::optional<Outcome> CheckStep(const DeltaStep& step) {
  const bool has_length = step.kind == StepKind::kRetain || step.kind == StepKind::kDelete;
  if (has_length && (step.length == 0 || step.length > kTextBytesMax || !step.text.empty())) {
    return Invalid("A step of the delta retains or deletes nothing, or more than any text has.");
  }
  if (!has_length && (step.text.empty() || step.length != 0)) {
    return Invalid("A step of the delta inserts nothing.");
  }
  if (auto refusal = CheckAttributes(step)) return refusal;
  if (step.kind == StepKind::kInsert) return CheckText(step.text);
  if (step.kind != StepKind::kEmbed) return std::nullopt;
  if (step.text.size() > kAttributeBytesMax) {
    return Exhausted("An embed is longer than 64 KiB (kAttributeBytesMax).");
  }
  return CheckJsonValue("An embed", step.text);
}

std::optional<Outcome> CheckDelta(const EditDelta& edit) {
  if (edit.steps.size() > kDeltaStepsMax) {
    return Exhausted("The delta has more than 10000 steps (kDeltaStepsMax); send several.");
  }
  std::uint64_t end = 0;
  for (const DeltaStep& step : edit.steps) {
    if (auto refusal = CheckStep(step)) return refusal;
    end += step.length;
    if (end > kTextBytesMax) return Invalid("The delta reaches past any text (kTextBytesMax).");
  }
  return std::nullopt;
}

// Not the updates themselves: one that is malformed is no reason to refuse the others.
std::optional<Outcome> CheckParts(const ApplyUpdates& apply) {
  if (apply.parts.empty()) return Invalid("There is no update; give one at least.");
  if (apply.parts.size() > kUpdatePartsMax) {
    return Exhausted("There are more than 64 updates (kUpdatePartsMax); send them in parts.");
  }
  std::size_t bytes = 0;
  std::set<std::pair<SessionId, ClientId>> clients;
  for (const UpdatePart& part : apply.parts) {
    if (part.session.IsNone() || part.request.client.IsNone() || part.request.sequence == 0) {
      return Invalid("An update among several needs a session, a client and a sequence number.");
    }
    if (!clients.emplace(part.session, part.request.client).second) {
      return Invalid("Two of the updates are of one client; send them one after the other.");
    }
    bytes += part.update.size();
  }
  if (bytes <= kUpdateBytesMax) return std::nullopt;
  return Exhausted("The updates are larger than 1 MiB (kUpdateBytesMax); send them in parts.");
}

std::optional<Outcome> CheckSuggestedChange(const SuggestedChange& change) {
  if (change.position > kTextBytesMax) {
    return Invalid("A suggestion lies beyond any text's end (kTextBytesMax).");
  }
  if (change.before.size() > kSuggestedBytesMax || change.after.size() > kSuggestedBytesMax) {
    return Exhausted("A suggestion is longer than 64 KiB (kSuggestedBytesMax); split it.");
  }
  if (change.why.size() > kSuggestionNoteBytesMax) {
    return Exhausted("A suggestion's reason is longer than 1 KiB (kSuggestionNoteBytesMax).");
  }
  if (change.before == change.after) return Invalid("A suggestion changes nothing; leave it out.");
  if (IsValidUtf8(change.before) && IsValidUtf8(change.after) && IsValidUtf8(change.why)) {
    return std::nullopt;
  }
  return Invalid("A suggestion is not valid UTF-8.");
}

std::optional<Outcome> CheckSuggestions(const AddSuggestions& add) {
  if (add.changes.empty()) return Invalid("There is no suggestion; give one at least.");
  if (add.changes.size() > kSuggestionsMax) {
    return Exhausted("There are more than 200 suggestions (kSuggestionsMax); send them in parts.");
  }
  for (const std::string* name : {&add.author, &add.model}) {
    if (name->size() > kNameBytesMax || !IsValidUtf8(*name)) {
      return Invalid("The suggestions' author or model is no UTF-8 of up to 256 bytes.");
    }
  }
  std::uint64_t previous_end = 0;
  for (const SuggestedChange& change : add.changes) {
    if (auto refusal = CheckSuggestedChange(change)) return refusal;
    if (change.position < previous_end) {
      return Invalid("The suggestions overlap or descend; sort them by position.");
    }
    previous_end = change.position + MeasureUtf8(change.before).utf16;
  }
  return std::nullopt;
}

std::optional<Outcome> CheckResolution(const ResolveSuggestions& resolve) {
  if (resolve.resolution != Resolution::kStale) return std::nullopt;
  return Invalid("Suggestions are accepted or rejected; stale they become by themselves.");
}

std::optional<Outcome> CheckLease(const Attach& attach) {
  if (attach.lease_ms > 0 && attach.lease_ms <= kLeaseMsMax) return std::nullopt;
  return Invalid("The lease must be between 1 ms and 1 hour.");
}

std::optional<Outcome> CheckTtl(const Lock& lock) {
  if (lock.ttl_ms <= kLockTtlMsMax) return std::nullopt;
  return Exhausted(
      "A lock's time to live is at most 24 hours (kLockTtlMsMax); lock again to renew it.");
}

std::optional<Outcome> CheckNewDocument(const CreateDocument& create) {
  if (auto refusal = RefuseUnfitDocumentName(create.name)) return refusal;
  if (create.everyone == DocumentRole::kOwner) {
    return Invalid("Not everyone can own a document; share it as viewer or editor.");
  }
  return CheckText(create.text);
}

std::optional<Outcome> CheckShare(const ShareDocument& share) {
  if (!share.user.empty()) return CheckName("user name", share.user);
  if (share.role != DocumentRole::kOwner) return std::nullopt;
  return Invalid("Not everyone can own a document; share it as viewer or editor.");
}

std::optional<Outcome> CheckNewUser(const CreateUser& create) {
  if (auto refusal = CheckName("user name", create.name)) return refusal;
  return CheckHash(create.password_hash);
}

std::optional<Outcome> CheckSetPassword(const SetPassword& set) {
  if (auto refusal = CheckName("user name", set.name)) return refusal;
  return CheckHash(set.password_hash);
}

}  // namespace

std::optional<Outcome> RefuseMalformedUpdate(std::string_view update) {
  if (update.size() > kUpdateBytesMax) {
    return Exhausted("The update is larger than 1 MiB (kUpdateBytesMax); send several.");
  }
  const crdt::Malformed malformed = crdt::ValidateUpdate(update);
  if (!malformed) return std::nullopt;
  return Invalid("The update is malformed at byte " + std::to_string(malformed.offset_bytes) +
                 ": " + std::string(malformed.reason) + ".");
}

std::optional<Outcome> RefuseMalformed(const Command& command) {
  if (command.request.sequence > 0 && command.request.client.IsNone()) {
    return Invalid("A request with a sequence number needs a client id; choose a random one.");
  }
  return std::visit(
      Overload{
          [](const CreateUser& body) { return CheckNewUser(body); },
          [](const SetPassword& body) { return CheckSetPassword(body); },
          [](const RemoveUser& body) { return CheckName("user name", body.name); },
          [](const Login& body) { return CheckLogin(body); },
          [](const Attach& body) { return CheckLease(body); },
          [](const CreateDocument& body) { return CheckNewDocument(body); },
          [](const RenameDocument& body) { return RefuseUnfitDocumentName(body.name); },
          [](const ShareDocument& body) { return CheckShare(body); },
          [](const Write& body) { return CheckText(body.text); },
          [](const Edit& body) { return CheckSplices(body); },
          [](const EditDelta& body) { return CheckDelta(body); },
          [](const Append& body) { return CheckText(body.text); },
          [](const ApplyUpdate& body) { return RefuseMalformedUpdate(body.update); },
          [](const Lock& body) { return CheckTtl(body); },
          [](const AddSuggestions& body) { return CheckSuggestions(body); },
          [](const ResolveSuggestions& body) { return CheckResolution(body); },
          [](const SaveDraft& body) { return RefuseMalformedUpdate(body.update); },
          [](const MergeDraft& body) { return CheckName("user name", body.user); },
          [](const DropDraft& body) { return CheckName("user name", body.user); },
          [](const ApplyUpdates& body) { return CheckParts(body); },
          [](const auto&) { return std::optional<Outcome>(); },
      },
      command.body);
}

}  // namespace coterie::state
