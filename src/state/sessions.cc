// Sessions: login to logout, and presence (JOIN, LEAVE) in between.

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {

void Machine::Impl::StoreSession(const Session& session) {
  Put(Key('s', session.record.id).view(), codec::EncodeRecord(session.record));
  entry_.sessions.push_back(session.record.id);
}

Outcome Machine::Impl::Apply(const Login& command) {
  const User* user = UserOf(command.user);
  if (user == nullptr && !command.create_user) {
    return Refusal(Code::kUnauthenticated, "The user name or the password is wrong.");
  }
  // Whatever a node that was started without --secure may think.
  if (user == nullptr && meta_.is_secure) {
    return Refusal(Code::kPermissionDenied,
                   "Here only an administrator makes users; ask one for an account.");
  }
  if (user != nullptr && user->record.password_hash != command.verified_hash) {
    return Refusal(Code::kUnauthenticated,
                   "The user's password changed during the login; log in again.");
  }
  if (user == nullptr) {
    if (users_.size() >= kUsersMax) {
      return Refusal(Code::kExhausted, "There are 100000 users (kUsersMax); remove some first.");
    }
    // Of several first logins at once only one makes the administrator.
    AddUser(command.user, command.verified_hash, command.create_as_admin && users_.empty());
  }
  std::set<SessionId>& of_user = users_.find(command.user)->second.sessions;
  if (of_user.size() >= kSessionsPerUserMax) EndSession(*of_user.begin(), LeaveReason::kLoggedOut);

  const SessionId id(entry_.revision.value());
  const std::uint64_t rest = std::numeric_limits<std::uint64_t>::max() - meta_.time_ms;
  Session& session = sessions_[id];
  session.record = {.id = id,
                    .user = command.user,
                    .token_hash = command.token_hash,
                    .expires_at_ms = meta_.time_ms + std::min(command.lifetime_ms, rest)};
  of_user.insert(id);
  StoreSession(session);
  return {.session = id};
}

Outcome Machine::Impl::Apply(const Logout& /*command*/) {
  EndSession(entry_.session, LeaveReason::kLoggedOut);
  return {};
}

Outcome Machine::Impl::Apply(const ExpireSession& command) {
  const auto found = sessions_.find(command.session);
  if (found == sessions_.end() || found->second.record.expires_at_ms > meta_.time_ms) return {};
  EndSession(command.session, LeaveReason::kLoggedOut);
  return {};
}

Outcome Machine::Impl::Apply(const Attach& command) {
  Session& session = sessions_.find(entry_.session)->second;
  const bool is_new = session.record.attached.IsNone();
  // A second stream takes nothing from what the first was promised.
  if (!is_new && session.record.lease_ms >= command.lease_ms) return {};
  session.record.lease_ms = command.lease_ms;
  if (is_new) session.record.attached = entry_.revision;
  StoreSession(session);
  if (is_new) Emit(Joined{.session = entry_.session});
  return {};
}

Outcome Machine::Impl::Apply(const Leave& command) {
  if (!entry_.session.IsNone() && entry_.session != command.session) {
    return Refusal(Code::kPermissionDenied, "A session can only leave for itself.");
  }
  const auto found = sessions_.find(command.session);
  if (found == sessions_.end()) return {};
  Session& session = found->second;
  if (session.record.attached.IsNone() || session.record.attached != command.attached) return {};
  EndPresence(session, command.reason);
  StoreSession(session);
  return {};
}

// LEAVE, and what was held by the lease is released. The caller stores or erases the session.
void Machine::Impl::EndPresence(Session& session, LeaveReason reason) {
  CHECK(!session.record.attached.IsNone());
  session.record.attached = Revision();
  session.record.lease_ms = 0;
  // The session's user, whoever ended it: a subscriber can no longer look it up.
  EmitAs(session.record.user, Left{.session = session.record.id, .reason = reason});
  ReleaseLocksOf(session, HeldBy::kLease);
}

void Machine::Impl::EndSession(SessionId id, LeaveReason reason) {
  const auto found = sessions_.find(id);
  CHECK(found != sessions_.end());
  Session& session = found->second;
  if (!session.record.attached.IsNone()) EndPresence(session, reason);
  ReleaseLocksOf(session, HeldBy::kAnything);
  CHECK(session.locks.empty());
  ForgetClients(session);
  Delete(Key('s', id).view());
  entry_.sessions.push_back(id);
  users_.find(session.record.user)->second.sessions.erase(id);
  sessions_.erase(found);
}

SessionView Machine::Impl::ViewOf(const Session& session) const {
  return {.id = session.record.id,
          .user = session.record.user,
          .is_admin = UserOf(session.record.user)->record.is_admin,
          .token_hash = session.record.token_hash,
          .expires_at_ms = session.record.expires_at_ms,
          .attached = session.record.attached,
          .lease_ms = session.record.lease_ms};
}

std::optional<SessionView> Machine::Impl::FindSession(SessionId id) const {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return std::nullopt;
  return ViewOf(found->second);
}

std::vector<SessionView> Machine::Impl::Sessions() const {
  std::vector<SessionView> views;
  views.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) views.push_back(ViewOf(session));
  return views;
}

}  // namespace coterie::state
