#include "cli/whole_text.h"

#include <utility>

#include "cli/held_lock.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kWriteLock = absl::Seconds(30);

}  // namespace

absl::StatusOr<v1::WriteDocumentResponse> ReplaceText(Invocation& cli,
                                                      const v1::DocumentRef& document,
                                                      std::string text, absl::Duration wait) {
  ASSIGN_OR_RETURN(HeldLock lock, HeldLock::Take(cli, document, kWriteLock, wait));
  v1::WriteDocumentRequest request;
  *request.mutable_document() = document;
  request.set_lock_token(lock.token());
  request.set_text(std::move(text));
  absl::StatusOr<v1::WriteDocumentResponse> response = cli.Call(std::move(request));
  lock.Release(cli);
  return response;
}

}  // namespace coterie::cli
