#pragma once

// Puts a whole text in the place of a document's, under its lock: only what differs changes. Main
// thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "cli/invocation.h"

namespace coterie::cli {

// Waits that long for somebody else's lock; kFailedPrecondition = still locked.
absl::StatusOr<v1::WriteDocumentResponse> ReplaceText(Invocation& cli,
                                                      const v1::DocumentRef& document,
                                                      std::string text, absl::Duration wait);

}  // namespace coterie::cli
