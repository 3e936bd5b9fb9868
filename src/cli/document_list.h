#pragma once

// All documents that one may see, however many pages they take. Main thread.

#include <absl/status/statusor.h>

#include "cli/invocation.h"

namespace coterie::cli {

// With the revision of the last page. kInternal when the pages would not end.
absl::StatusOr<v1::ListDocumentsResponse> ListAllDocuments(Invocation& cli,
                                                           v1::Consistency consistency);

}  // namespace coterie::cli
