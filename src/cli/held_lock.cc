#include "cli/held_lock.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/explain.h"
#include "client/error_detail.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

// Should an event not come for whatever reason.
constexpr absl::Duration kAskAgainEvery = absl::Seconds(2);

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(const std::string& flag, const std::string& text) {
  absl::Duration duration = absl::ZeroDuration();
  if (text.empty()) return duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat(flag, " ", text, " is no duration"),
                 absl::StrCat("say for example ", flag, " 30s or ", flag, " 5m"));
  }
  return duration;
}

absl::StatusOr<v1::Lock> TakeLock(Invocation& cli, const v1::DocumentRef& document,
                                  absl::Duration ttl, absl::Duration wait) {
  const absl::Time give_up_at = absl::Now() + wait;
  std::unique_ptr<client::Subscription> events;
  for (;;) {
    v1::LockDocumentRequest request;
    *request.mutable_document() = document;
    request.set_ttl_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(ttl)));
    const absl::StatusOr<v1::LockDocumentResponse> response = cli.Call(std::move(request));
    if (response.ok()) return response->lock();
    const client::ErrorDetail detail = client::DetailOf(response.status());
    if (detail.reason != "LOCKED" || absl::Now() >= give_up_at) return response.status();
    if (events == nullptr) {
      cli.Say(absl::StrCat("waiting for ", detail.Get("holder"), " to unlock it ..."));
      ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
      v1::SubscribeRequest subscribe;
      subscribe.set_from_now(true);
      subscribe.set_without_text(true);
      *subscribe.add_documents() = document;
      ASSIGN_OR_RETURN(events, client->Subscribe(std::move(subscribe)));
      continue;  // It may have been unlocked before the subscription began.
    }
    // Whatever happens to the document may have ended the lock.
    const absl::Status event =
        events->Next(std::min(give_up_at, absl::Now() + kAskAgainEvery)).status();
    if (!event.ok() && !absl::IsDeadlineExceeded(event)) return event;
  }
}

absl::StatusOr<HeldLock> HeldLock::Take(Invocation& cli, const v1::DocumentRef& document,
                                        absl::Duration ttl, absl::Duration wait) {
  v1::GetDocumentRequest request;
  *request.mutable_document() = document;
  request.set_without_text(true);
  ASSIGN_OR_RETURN(const v1::GetDocumentResponse now, cli.Call(std::move(request)));
  // The token is shown to the holder's own session only.
  if (now.document().lock().token() != 0) {
    return HeldLock(document, now.document().lock().token(), /*was_held=*/true);
  }
  ASSIGN_OR_RETURN(const v1::Lock lock, TakeLock(cli, document, ttl, wait));
  return HeldLock(document, lock.token(), /*was_held=*/false);
}

void HeldLock::Release(Invocation& cli) {
  if (was_held_) return;
  v1::UnlockDocumentRequest request;
  *request.mutable_document() = document_;
  request.set_lock_token(token_);
  const absl::Status status = cli.Call(std::move(request)).status();
  if (!status.ok()) cli.Say(absl::StrCat("the lock was not given back: ", status.message()));
}

}  // namespace coterie::cli
