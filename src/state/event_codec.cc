// The bytes of outcomes and of event batches, as they are stored.

#include "base/overload.h"
#include "state/codec.h"
#include "state/event.h"
#include "state/outcome.h"
#include "state/shared_fields.h"

namespace coterie::state {
namespace codec {

template <>
struct Fields<UserCreated> {
  static constexpr auto kMembers = std::tuple(&UserCreated::name);
};
template <>
struct Fields<UserRemoved> {
  static constexpr auto kMembers = std::tuple(&UserRemoved::name);
};
template <>
struct Fields<Joined> {
  static constexpr auto kMembers = std::tuple(&Joined::session);
};
template <>
struct Fields<Left> {
  static constexpr auto kMembers = std::tuple(&Left::session, &Left::reason);
};
template <>
struct Fields<DocumentCreated> {
  static constexpr auto kMembers = std::tuple(&DocumentCreated::doc, &DocumentCreated::name);
};
template <>
struct Fields<DocumentRenamed> {
  static constexpr auto kMembers = std::tuple(&DocumentRenamed::doc, &DocumentRenamed::name);
};
template <>
struct Fields<DocumentDeleted> {
  static constexpr auto kMembers = std::tuple(&DocumentDeleted::doc, &DocumentDeleted::name);
};
template <>
struct Fields<DocumentShared> {
  static constexpr auto kMembers =
      std::tuple(&DocumentShared::doc, &DocumentShared::user, &DocumentShared::role);
};
template <>
struct Fields<DocumentChanged> {
  static constexpr auto kMembers =
      std::tuple(&DocumentChanged::doc, &DocumentChanged::kind, &DocumentChanged::previous,
                 &DocumentChanged::changes, &DocumentChanged::update);
};
template <>
struct Fields<DocumentLocked> {
  static constexpr auto kMembers = std::tuple(&DocumentLocked::lock, &DocumentLocked::renewed);
};
template <>
struct Fields<DocumentUnlocked> {
  static constexpr auto kMembers = std::tuple(&DocumentUnlocked::doc, &DocumentUnlocked::token,
                                              &DocumentUnlocked::holder, &DocumentUnlocked::reason);
};
template <>
struct Fields<SuggestionsAdded> {
  static constexpr auto kMembers =
      std::tuple(&SuggestionsAdded::doc, &SuggestionsAdded::kind, &SuggestionsAdded::author,
                 &SuggestionsAdded::model, &SuggestionsAdded::count);
};
template <>
struct Fields<SuggestionResolved> {
  static constexpr auto kMembers =
      std::tuple(&SuggestionResolved::doc, &SuggestionResolved::batch, &SuggestionResolved::ordinal,
                 &SuggestionResolved::resolution);
};
template <>
struct Fields<DraftSaved> {
  static constexpr auto kMembers =
      std::tuple(&DraftSaved::doc, &DraftSaved::user, &DraftSaved::size_bytes);
};
template <>
struct Fields<DraftMerged> {
  static constexpr auto kMembers = std::tuple(&DraftMerged::doc, &DraftMerged::user);
};
template <>
struct Fields<DraftDropped> {
  static constexpr auto kMembers = std::tuple(&DraftDropped::doc, &DraftDropped::user);
};
template <>
struct Fields<Event> {
  static constexpr auto kMembers = std::tuple(&Event::user, &Event::body);
};
template <>
struct Fields<EventBatch> {
  static constexpr auto kMembers =
      std::tuple(&EventBatch::revision, &EventBatch::time_ms, &EventBatch::events);
};

// The alternatives' numbers are stored: new ones go to the end.
static_assert(std::variant_size_v<EventBody> == 16);
static_assert(std::is_same_v<std::variant_alternative_t<0, EventBody>, UserCreated>);
static_assert(std::is_same_v<std::variant_alternative_t<8, EventBody>, DocumentChanged>);
static_assert(std::is_same_v<std::variant_alternative_t<10, EventBody>, DocumentUnlocked>);
static_assert(std::is_same_v<std::variant_alternative_t<12, EventBody>, SuggestionResolved>);
static_assert(std::is_same_v<std::variant_alternative_t<15, EventBody>, DraftDropped>);

}  // namespace codec

DocId DocumentOf(const Event& event) {
  return std::visit(Overload{
                        [](const UserCreated&) { return DocId(); },
                        [](const UserRemoved&) { return DocId(); },
                        [](const Joined&) { return DocId(); },
                        [](const Left&) { return DocId(); },
                        [](const DocumentLocked& body) { return body.lock.doc; },
                        [](const auto& body) { return body.doc; },
                    },
                    event.body);
}

const std::string* DraftUserOf(const Event& event) {
  return std::visit(Overload{
                        [](const DraftSaved& body) { return &body.user; },
                        [](const DraftMerged& body) { return &body.user; },
                        [](const DraftDropped& body) { return &body.user; },
                        [](const auto&) -> const std::string* { return nullptr; },
                    },
                    event.body);
}

std::string EncodeOutcome(const Outcome& outcome) { return codec::EncodeRecord(outcome); }

std::optional<Outcome> DecodeOutcome(std::string_view bytes) {
  return codec::DecodeRecord<Outcome>(bytes);
}

std::string EncodeEventBatch(const EventBatch& batch) { return codec::EncodeRecord(batch); }

std::optional<EventBatch> DecodeEventBatch(std::string_view bytes) {
  return codec::DecodeRecord<EventBatch>(bytes);
}

}  // namespace coterie::state
