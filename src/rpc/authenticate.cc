#include "rpc/authenticate.h"

#include <absl/strings/str_format.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "rpc/status_map.h"
#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

// Each costs one read index, shared with all others of the moment; more are refused at once.
constexpr int kLookingAgainMax = 256;
constexpr absl::Duration kRetryLookingAfter = absl::Milliseconds(200);
// Before a call that was one too many is tried again.
constexpr absl::Duration kPauseMin = absl::Milliseconds(100);

absl::Status NotLoggedIn(const std::string& what) {
  return Error(absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED",
               what + " Log in, and send \"authorization: Bearer TOKEN\".");
}

absl::Status TooManyCalls(double per_second, absl::Duration retry_after) {
  return WithDetail(absl::ResourceExhaustedError(
                        absl::StrFormat("You call more than %.0f times a second "
                                        "(--user-calls-per-second of the node); slow down, "
                                        "or ask for it to be raised.",
                                        per_second)),
                    {.reason = "OVERLOADED",
                     .metadata = {{"limit", "user_calls_per_second"}},
                     .retry_after = std::max(retry_after, kPauseMin)});
}

// By this node's clock. Whether it really is over, the leader says.
bool MayBeOver(const std::optional<absl::StatusOr<Caller>>& known) {
  return known && known->ok() &&
         absl::FromUnixMillis(static_cast<std::int64_t>((*known)->expires_at_ms)) <= absl::Now();
}

}  // namespace

absl::Status NotAnAdmin(const std::string& user) {
  return Error(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
               "Only an administrator may do this; you are " + user + ". Ask one.");
}

absl::Status NoSession() {
  return NotLoggedIn("The session is unknown or over: it was logged out or has expired.");
}

std::optional<absl::StatusOr<Caller>> CheckToken(const node::SessionDirectory& sessions,
                                                 const Token& token) {
  std::optional<state::SessionView> session = sessions.Find(token.session);
  if (!session) return std::nullopt;
  if (!IsSecretOf(session->token_hash, token.secret)) return absl::StatusOr<Caller>(NoSession());
  return absl::StatusOr<Caller>(Caller{.session = session->id,
                                       .user = std::move(session->user),
                                       .is_admin = session->is_admin,
                                       .expires_at_ms = session->expires_at_ms});
}

absl::StatusOr<Caller> Authenticator::Permit(const Policy& policy, absl::StatusOr<Caller> caller) {
  if (!caller.ok()) return caller;
  if (policy.access == Access::kAdmin && !caller->is_admin) {
    return NotAnAdmin(caller->user);
  }
  const std::optional<absl::Duration> wait = rates_.Take(caller->user, SteadyNow());
  if (wait) return TooManyCalls(rates_.per_second(), *wait);
  return caller;
}

void Authenticator::Admit(const Policy& policy, std::string_view authorization, absl::Time deadline,
                          Done done) {
  if (policy.access == Access::kAnyone) return done(Caller{});
  Identify(authorization, deadline,
           [this, &policy, done = std::move(done)](absl::StatusOr<Caller> caller) {
             done(Permit(policy, std::move(caller)));
           });
}

void Authenticator::Identify(std::string_view authorization, absl::Time deadline, Done done) {
  const std::optional<Token> token = ParseAuthorization(authorization);
  if (!token) {
    return done(NotLoggedIn(authorization.empty() ? "This call needs a session and has no token."
                                                  : "The token is malformed."));
  }
  std::optional<absl::StatusOr<Caller>> known = CheckToken(node_.sessions(), *token);
  if (known && !MayBeOver(known)) return done(*std::move(known));
  if (looking_again_.fetch_add(1) >= kLookingAgainMax) {
    looking_again_.fetch_sub(1);
    return done(
        Overloaded("Too many tokens that this node does not know are being looked up; "
                   "retry in a moment.",
                   kRetryLookingAfter));
  }
  node_.Read(
      node::Consistency::kLinearizable, deadline, [](const state::Machine&) {},
      [this, token = *token, done = std::move(done)](const absl::StatusOr<Revision>& read) {
        looking_again_.fetch_sub(1);
        if (!read.ok()) {
          return done(FromNode(read.status(), Effect::kNone, node_.status()));
        }
        std::optional<absl::StatusOr<Caller>> caller = CheckToken(node_.sessions(), token);
        done(caller ? *std::move(caller) : NoSession());
      });
}

}  // namespace coterie::rpc
