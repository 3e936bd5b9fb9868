#include "gateway/open_document.h"

#include <absl/time/clock.h>

#include <utility>

#include "base/check.h"
#include "gateway/limits.h"
#include "rpc/policy.h"

namespace coterie::gateway {

void OpenDocument(Rooms& rooms, rpc::Gate& gate, const DocumentRequest& request, Shard& shard,
                  std::function<void(OpenedDocument)> done) {
  // Whoever may read a document may open it; what it may write the machine decides.
  static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.DocumentService.GetUpdate");
  gate.authenticator().Admit(
      policy, request.authorization, absl::Now() + kOpenTimeout,
      [&rooms, &shard, request, done = std::move(done)](absl::StatusOr<rpc::Caller> caller) {
        if (!caller.ok()) {
          return shard.Post([done, status = caller.status()] { done({.status = status}); });
        }
        rooms.Open(*caller, request.document, request.if_missing,
                   [&shard, done, caller = *caller](absl::StatusOr<Rooms::Opened> opened) {
                     OpenedDocument result{.status = opened.status(), .caller = caller};
                     if (opened.ok()) result.document = *std::move(opened);
                     shard.Post([done, result = std::move(result)] { done(result); });
                   });
      });
}

CloseCode CloseCodeOf(const absl::Status& status) {
  if (absl::IsUnauthenticated(status)) return CloseCode::kUnauthenticated;
  if (absl::IsNotFound(status) || absl::IsPermissionDenied(status)) return CloseCode::kForbidden;
  if (absl::IsInvalidArgument(status)) return CloseCode::kMalformed;
  return CloseCode::kTryAgain;
}

}  // namespace coterie::gateway
