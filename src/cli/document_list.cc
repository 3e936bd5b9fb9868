#include "cli/document_list.h"

#include <string>
#include <utility>

#include "runtime/status_macros.h"

namespace coterie::cli {

absl::StatusOr<v1::ListDocumentsResponse> ListAllDocuments(Invocation& cli,
                                                           v1::Consistency consistency) {
  v1::ListDocumentsResponse all;
  std::string token;
  do {
    v1::ListDocumentsRequest request;
    request.set_page_token(token);
    request.set_consistency(consistency);
    ASSIGN_OR_RETURN(const v1::ListDocumentsResponse page, cli.Call(std::move(request)));
    // A token is the last name of its page, and names go up.
    if (!page.next_page_token().empty() && page.next_page_token() <= token) {
      return absl::InternalError("the node's list of documents does not end");
    }
    token = page.next_page_token();
    all.MergeFrom(page);
  } while (!token.empty());
  return all;
}

}  // namespace coterie::cli
