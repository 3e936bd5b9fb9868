#include "cli/document_list.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <utility>

#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::uint64_t kPageMax = 1'000;

// A token is where its page ends: a name, and names go up, or a revision, and those go down.
bool GoesOn(const DocumentQuery& query, const std::string& token, const std::string& next) {
  if (query.order != v1::DOCUMENT_ORDER_CHANGED) return next > token;
  std::uint64_t before = 0;
  std::uint64_t next_before = 0;
  if (!absl::SimpleAtoi(next, &next_before)) return false;
  return token.empty() || (absl::SimpleAtoi(token, &before) && next_before < before);
}

}  // namespace

absl::StatusOr<v1::ListDocumentsResponse> ListDocuments(Invocation& cli,
                                                        const DocumentQuery& query) {
  v1::ListDocumentsResponse all;
  std::string token;
  for (;;) {
    v1::ListDocumentsRequest request;
    request.set_page_token(token);
    request.set_consistency(query.consistency);
    request.set_order(query.order);
    request.set_name_contains(query.name_contains);
    const auto count = static_cast<std::uint64_t>(all.documents_size());
    if (query.limit > 0) {
      request.set_page_size(static_cast<std::uint32_t>(std::min(query.limit - count, kPageMax)));
    }
    ASSIGN_OR_RETURN(const v1::ListDocumentsResponse page, cli.Call(std::move(request)));
    const std::string& next = page.next_page_token();
    if (!next.empty() && !GoesOn(query, token, next)) {
      return absl::InternalError("the node's list of documents does not end");
    }
    token = next;
    all.MergeFrom(page);
    const bool has_enough =
        query.limit > 0 && static_cast<std::uint64_t>(all.documents_size()) >= query.limit;
    if (token.empty() || has_enough) return all;
  }
}

}  // namespace coterie::cli
