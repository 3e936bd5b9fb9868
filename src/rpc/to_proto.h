#pragma once

// Views and events of the state as messages of coterie.v1, for one viewer. Pure functions, any
// thread.

#include "coterie/v1/documents.pb.h"
#include "coterie/v1/events.pb.h"
#include "rpc/call.h"
#include "state/command.h"
#include "state/event.h"
#include "state/machine.h"

namespace coterie::rpc {

v1::Role ToProto(state::DocumentRole role);
v1::ChangeKind ToProto(state::ChangeKind kind);
// The fencing token is shown to the holder's own session alone.
v1::Lock ToProto(const state::LockView& lock, SessionId viewer);
v1::Document ToProto(const state::DocumentView& document, state::DocumentRole role,
                     SessionId viewer);
v1::Version ToProto(const state::VersionView& version);
v1::SuggestionKind ToProto(state::SuggestionKind kind);
v1::Suggestion ToProto(const state::SuggestionView& suggestion);

// How much of a change is told: nothing of it, the text, the text and the update.
enum class Texts : std::uint8_t { kWithout, kWith, kWithUpdates };
v1::Event ToProto(const state::Event& event, Texts texts, SessionId viewer);

// Empty = unspecified; not every role can be everyone's, which the state decides.
std::optional<state::DocumentRole> FromProto(v1::Role role);

}  // namespace coterie::rpc
