// What members write while the document does not take it: kept as their users' drafts.

#include <absl/strings/str_cat.h>

#include <utility>
#include <vector>

#include "base/check.h"
#include "gateway/room.h"
#include "state/command.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {
namespace {

constexpr std::string_view kOffersDrafts = R"({"drafts":"offer"})";

Blob DraftNotice(Revision revision) {
  return Blob(yproto::EncodeStateless(absl::StrCat("{\"drafts\":\"", revision.value(), "\"}")));
}

}  // namespace

// What a page says that shows drafts. It forgets what was kept as one, so that its document is the
// cluster's again; who does not say so is asked for it when it may write.
void Room::OnStateless(std::uint64_t id, std::string_view payload) {
  Member* member = Find(id);
  if (member != nullptr && payload == kOffersDrafts) member->offers_drafts = true;
}

void Room::KeepAsDraft(Member& member, std::string payload, const Credit& credit) {
  CHECK(!MayWrite(member));
  if (payload.size() > state::kDraftBytesMax) {
    return Refuse(member, 1, WhyReadOnly(member) + ", and what you wrote is too much for a draft");
  }
  // Whatever comes of the draft: the right to write may be back before that is known.
  if (!member.offers_drafts) member.has_refused = true;
  std::vector<std::string> parts;
  parts.push_back(std::move(payload));
  member.writer->Add(RoomWriter::As::kDraft, std::move(parts), credit);
}

// The document does not have it, and the cluster does.
void Room::TellDraft(Member& member, const RoomWriter::Settled& settled) {
  options_.counters.drafts_saved.Add(settled.updates);
  if (member.offers_drafts) {
    SendTo(member,
           Blob(yproto::EncodeStateless(absl::StrCat("{\"draft\":", settled.updates, "}"))));
    return Acknowledge(member, settled.updates, false);
  }
  Refuse(member, settled.updates,
         absl::StrCat(WhyReadOnly(member), "; what you wrote is kept as a draft"));
  MaybeAskAgain(member);
}

// For what a member has and we refused, if it may write now.
void Room::MaybeAskAgain(Member& member) {
  if (!member.is_writable || !content_.is_loaded()) return;
  if (!std::exchange(member.has_refused, false)) return;
  SendTo(member,
         Blob(yproto::EncodeSync(yproto::SyncStep::kAsk, content_.state_vector().Encode())));
}

// To whom it concerns, if they said that they show drafts: they list them anew.
void Room::DraftChanged(Revision revision, const std::string& user) {
  const Blob notice = DraftNotice(revision);
  for (const auto& [id, member] : members_) {
    const bool concerns =
        member.options.caller.user == user || member.options.role == state::DocumentRole::kOwner;
    if (concerns && member.offers_drafts) SendTo(member, notice);
  }
}

void Room::DraftsChanged(Revision revision) {
  const Blob notice = DraftNotice(revision);
  for (const auto& [id, member] : members_) {
    if (member.offers_drafts) SendTo(member, notice);
  }
}

}  // namespace coterie::gateway
