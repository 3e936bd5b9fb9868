#pragma once

// The documents that one may see, page by page. Main thread.

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "cli/invocation.h"

namespace coterie::cli {

struct DocumentQuery {
  v1::Consistency consistency = v1::CONSISTENCY_UNSPECIFIED;
  v1::DocumentOrder order = v1::DOCUMENT_ORDER_NAME;
  std::string name_contains;  // In either case; "" = all.
  std::uint64_t limit = 0;    // 0 = all.
};

// As one answer. kInternal if a node's pages do not end.
absl::StatusOr<v1::ListDocumentsResponse> ListDocuments(Invocation& cli,
                                                        const DocumentQuery& query);

}  // namespace coterie::cli
