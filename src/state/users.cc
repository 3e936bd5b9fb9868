// Users: who may log in, and who is an administrator.

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {

const User* Machine::Impl::UserOf(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

void Machine::Impl::AddUser(std::string name, std::string password_hash, bool is_admin) {
  CHECK(UserOf(name) == nullptr);
  UserRecord record{.name = name,
                    .password_hash = std::move(password_hash),
                    .is_admin = is_admin,
                    .created_at_ms = meta_.time_ms,
                    .created = entry_.revision};
  Put(UserKey(name), codec::EncodeRecord(record));
  EmitAs(entry_.session.IsNone() ? name : entry_.user, UserCreated{.name = name});
  users_[std::move(name)].record = std::move(record);
}

Outcome Machine::Impl::Apply(const CreateUser& command) {
  // The first user of all is made by the cluster itself, and is an administrator: else nobody was.
  const bool is_first = users_.empty();
  if (!is_first && !entry_.is_admin) {
    return Refusal(Code::kPermissionDenied, "Only an administrator can create users; ask one.");
  }
  if (UserOf(command.name) != nullptr) {
    return Refusal(Code::kAlreadyExists, "A user of this name is there already; choose another.");
  }
  if (users_.size() >= kUsersMax) {
    return Refusal(Code::kExhausted, "There are 100000 users (kUsersMax); remove some first.");
  }
  AddUser(command.name, command.password_hash, command.is_admin || is_first);
  if (is_first) meta_.is_secure = true;
  return {};
}

Outcome Machine::Impl::Apply(const SetPassword& command) {
  if (!entry_.is_admin && command.name != entry_.user) {
    return Refusal(Code::kPermissionDenied,
                   "Only an administrator can set another user's password; ask one.");
  }
  const auto found = users_.find(command.name);
  if (found == users_.end()) return Refusal(Code::kNotFound, "There is no user of this name.");
  found->second.record.password_hash = command.password_hash;
  Put(UserKey(command.name), codec::EncodeRecord(found->second.record));
  // Whoever got hold of the old one, or of a token, is out.
  const std::set<SessionId> sessions = found->second.sessions;
  for (const SessionId id : sessions) {
    if (id != entry_.session) EndSession(id, LeaveReason::kLoggedOut);
  }
  return {};
}

Outcome Machine::Impl::Apply(const RemoveUser& command) {
  if (!entry_.is_admin) {
    return Refusal(Code::kPermissionDenied, "Only an administrator can remove users; ask one.");
  }
  const auto found = users_.find(command.name);
  if (found == users_.end()) return Refusal(Code::kNotFound, "There is no user of this name.");
  if (found->second.record.is_admin) {
    std::size_t admins = 0;
    for (const auto& [name, user] : users_) admins += user.record.is_admin ? 1 : 0;
    if (admins == 1) {
      return Refusal(Code::kInvalidArgument,
                     "This is the last administrator; make another one before removing it.");
    }
  }
  const std::set<SessionId> sessions = found->second.sessions;
  for (const SessionId id : sessions) EndSession(id, LeaveReason::kLoggedOut);
  DropDraftsOf(found->second);
  // Grants to this user stay in the documents and count no more: they name its creation, too.
  Delete(UserKey(command.name));
  users_.erase(found);
  Emit(UserRemoved{.name = command.name});
  return {};
}

std::optional<UserView> Machine::Impl::FindUser(std::string_view name) const {
  const User* user = UserOf(name);
  if (user == nullptr) return std::nullopt;
  return UserView{.name = user->record.name,
                  .password_hash = user->record.password_hash,
                  .is_admin = user->record.is_admin,
                  .created_at_ms = user->record.created_at_ms};
}

std::vector<UserView> Machine::Impl::Users() const {
  std::vector<UserView> views;
  views.reserve(users_.size());
  for (const auto& [name, user] : users_) views.push_back(*FindUser(name));
  return views;
}

}  // namespace coterie::state
