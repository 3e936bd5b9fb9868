#pragma once

// What an OpenAI-like server's answer that is no success means to a node: busy (elsewhere, or
// later), gone (elsewhere), too long (with both lengths, if it says them), otherwise the request's
// own fault, or a matter of this server's configuration. Pure.

#include <absl/status/status.h>

#include <cstdint>

#include "errors/detail.h"
#include "llm/http_call.h"

namespace coterie::llm {

struct Refusal {
  absl::Status status;
  errors::Detail detail;
};

// Requires a status that is not 200. `max_tokens` is what the answer was allowed.
Refusal RefusalOf(const HttpEnd& end, std::uint32_t max_tokens);

}  // namespace coterie::llm
