#pragma once

// What several codecs share: enums, outcomes and text changes. Private to state/.

#include "state/codec.h"
#include "state/event.h"
#include "state/outcome.h"

namespace coterie::state::codec {

template <>
struct LastOf<DocumentRole> {
  static constexpr auto kValue = DocumentRole::kOwner;
};
template <>
struct LastOf<LeaveReason> {
  static constexpr auto kValue = LeaveReason::kLoggedOut;
};
template <>
struct LastOf<Code> {
  static constexpr auto kValue = Code::kTooMuchWork;
};
template <>
struct LastOf<ChangeKind> {
  static constexpr auto kValue = ChangeKind::kRestore;
};
template <>
struct LastOf<UnlockReason> {
  static constexpr auto kValue = UnlockReason::kDeleted;
};
template <>
struct LastOf<SuggestionKind> {
  static constexpr auto kValue = SuggestionKind::kContinue;
};
template <>
struct LastOf<Resolution> {
  static constexpr auto kValue = Resolution::kStale;
};
template <>
struct Fields<LockView> {
  static constexpr auto kMembers =
      std::tuple(&LockView::doc, &LockView::document_name, &LockView::session, &LockView::holder,
                 &LockView::token, &LockView::renewed, &LockView::ttl_ms, &LockView::expires_at_ms);
};
template <>
struct Fields<Outcome> {
  static constexpr auto kMembers =
      std::tuple(&Outcome::code, &Outcome::message, &Outcome::revision, &Outcome::doc,
                 &Outcome::session, &Outcome::token, &Outcome::lock);
};
template <>
struct Fields<TextChange> {
  static constexpr auto kMembers =
      std::tuple(&TextChange::position_bytes, &TextChange::deleted, &TextChange::inserted);
};

}  // namespace coterie::state::codec
