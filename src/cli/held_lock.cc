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

// Nodes that are away come back; a lock that was taken without our hearing of it is taken again by
// the same session, which renews it.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

absl::StatusOr<std::unique_ptr<client::Subscription>> SubscribeTo(Invocation& cli,
                                                                  const v1::DocumentRef& document) {
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  v1::SubscribeRequest request;
  request.set_from_now(true);
  request.set_without_text(true);
  *request.add_documents() = document;
  return client->Subscribe(std::move(request));
}

// Of the lock that this session holds: it is shown to nobody else. 0 = none.
absl::StatusOr<std::uint64_t> OwnToken(Invocation& cli, const v1::DocumentRef& document) {
  v1::GetDocumentRequest request;
  *request.mutable_document() = document;
  request.set_without_text(true);
  ASSIGN_OR_RETURN(const v1::GetDocumentResponse now, cli.Call(std::move(request)));
  return now.document().lock().token();
}

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

absl::StatusOr<v1::LockDocumentResponse> TakeLock(Invocation& cli, const v1::DocumentRef& document,
                                                  absl::Duration ttl, absl::Duration wait) {
  const absl::Time give_up_at = absl::Now() + wait;
  std::unique_ptr<client::Subscription> events;
  bool said_locked = false;
  bool said_unreachable = false;
  for (;;) {
    v1::LockDocumentRequest request;
    *request.mutable_document() = document;
    request.set_ttl_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(ttl)));
    absl::StatusOr<v1::LockDocumentResponse> response = cli.Call(std::move(request));
    if (response.ok()) return response;
    const client::ErrorDetail detail = client::DetailOf(response.status());
    const bool is_locked = detail.reason == "LOCKED";
    if ((!is_locked && !MayPass(response.status())) || absl::Now() >= give_up_at) {
      return response.status();
    }
    if (!is_locked && !std::exchange(said_unreachable, true)) {
      cli.Say("no node can be reached; still trying");
    }
    if (!is_locked) continue;  // It took its time.
    if (events == nullptr) {
      if (!std::exchange(said_locked, true)) {
        cli.Say(absl::StrCat("waiting for ", detail.Get("holder"), " to unlock it ..."));
      }
      auto subscription = SubscribeTo(cli, document);
      if (!subscription.ok() && !MayPass(subscription.status())) return subscription.status();
      if (subscription.ok()) events = *std::move(subscription);
      continue;  // It may have been unlocked before the subscription began.
    }
    // Whatever happens to the document may have ended the lock.
    const absl::Status event =
        events->Next(std::min(give_up_at, absl::Now() + kAskAgainEvery)).status();
    if (!event.ok() && !MayPass(event)) return event;
  }
}

absl::StatusOr<HeldLock> HeldLock::Take(Invocation& cli, const v1::DocumentRef& document,
                                        absl::Duration ttl, absl::Duration wait) {
  ASSIGN_OR_RETURN(const std::uint64_t held, OwnToken(cli, document));
  if (held != 0) return HeldLock(document, held, /*was_held=*/true);
  ASSIGN_OR_RETURN(const v1::LockDocumentResponse taken, TakeLock(cli, document, ttl, wait));
  return HeldLock(document, taken.lock().token(), /*was_held=*/false);
}

absl::StatusOr<HeldLock> HeldLock::TakeAlone(Invocation& cli, const v1::DocumentRef& document,
                                             absl::Duration ttl, absl::Duration wait) {
  const absl::Status is_shared = Error(
      absl::StatusCode::kFailedPrecondition,
      "this session holds the document's lock already, perhaps for another import at this moment",
      "look whether the other one is done; else `coterie unlock DOCUMENT`, then again");
  ASSIGN_OR_RETURN(const std::uint64_t held, OwnToken(cli, document));
  if (held != 0) return is_shared;
  ASSIGN_OR_RETURN(const v1::LockDocumentResponse taken, TakeLock(cli, document, ttl, wait));
  // A token is the revision of its grant; a lock that is renewed keeps the one it has.
  if (taken.lock().token() != taken.revision()) return is_shared;
  return HeldLock(document, taken.lock().token(), /*was_held=*/false);
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
