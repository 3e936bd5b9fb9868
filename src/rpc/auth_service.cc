#include "rpc/auth_service.h"

#include <set>
#include <utility>

#include "rpc/token.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kRetryLoginAfter = absl::Seconds(1);

absl::Status WrongPassword() {
  return Error(absl::StatusCode::kUnauthenticated, "WRONG_PASSWORD",
               "The user name or the password is wrong.");
}

absl::Status CheckPassword(std::string_view password) {
  if (password.size() <= kPasswordBytesMax) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
               "The password is longer than 1024 bytes; choose a shorter one.");
}

absl::Status CheckNewPassword(std::string_view password) {
  if (!password.empty()) return CheckPassword(password);
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
               "The new password is empty; choose one.");
}

// What is too long for a name is no user's: refused before it is looked for.
absl::Status CheckUserName(std::string_view name) {
  if (!name.empty() && name.size() <= state::kNameBytesMax) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
               "The user name must have 1 to 256 bytes.");
}

}  // namespace

void AuthService::FindUser(const Call& call, const std::string& name,
                           std::function<void(absl::StatusOr<Known>)> done) {
  calls_.Ask<Known>(
      call, node::Consistency::kLinearizable,
      [name](const state::Machine& state) -> absl::StatusOr<Known> {
        const std::optional<state::UserView> user = state.FindUser(name);
        if (!user) return Known{.is_secure = state.is_secure()};
        return Known{.exists = true, .hash = user->password_hash, .is_secure = state.is_secure()};
      },
      std::move(done));
}

void AuthService::RunSlowly(const Call& call, const std::function<void(absl::Status)>& refuse,
                            std::function<void()> work) {
  const bool is_stranger = call.caller.session.IsNone();
  TurnThreads::Work turn{.user = (is_stranger ? "at " + call.peer : "user " + call.caller.user),
                         .is_abandoned = [] { return false; },
                         .run = std::move(work)};
  if (passwords_.TryRun(std::move(turn)) == TurnThreads::Taken::kYes) return;
  refuse(Overloaded("Too many logins wait on this node; retry in a second.", kRetryLoginAfter));
}

void AuthService::Login(const Call& call, v1::LoginRequest request,
                        Reply<v1::LoginResponse> reply) {
  if (absl::Status status = CheckUserName(request.user()); !status.ok()) return reply(status);
  if (absl::Status status = CheckPassword(request.password()); !status.ok()) return reply(status);
  const std::string name = request.user();
  FindUser(call, name,
           [this, call, request = std::move(request),
            reply = std::move(reply)](const absl::StatusOr<Known>& user) {
             if (!user.ok()) return reply(user.status());
             CheckLogin(call, request, *user, reply);
           });
}

void AuthService::CheckLogin(const Call& call, const v1::LoginRequest& request, const Known& user,
                             Reply<v1::LoginResponse> reply) {
  const bool is_for_development = options_.creates_users && !user.is_secure;
  const bool makes_user = !user.exists && is_for_development;
  if (is_for_development && request.password().empty() && user.hash.empty()) {
    return OpenSession(call, request.user(), "", reply,
                       makes_user ? IsNewUser::kYes : IsNewUser::kNo);
  }
  RunSlowly(call, reply, [this, call, request, user, makes_user, reply] {
    if (!makes_user) {
      if (!VerifyPassword(user.hash, request.password())) return reply(WrongPassword());
      return OpenSession(call, request.user(), user.hash, reply, IsNewUser::kNo);
    }
    const absl::StatusOr<std::string> hash = HashPassword(request.password());
    if (!hash.ok()) {
      return reply(Overloaded(std::string(hash.status().message()), kRetryLoginAfter));
    }
    OpenSession(call, request.user(), *hash, reply, IsNewUser::kYes, request);
  });
}

void AuthService::OpenSession(const Call& call, const std::string& user, const std::string& hash,
                              const Reply<v1::LoginResponse>& reply, IsNewUser is_new,
                              const v1::LoginRequest& request) {
  const std::string secret = NewSecret();
  state::Login login{.user = user,
                     .verified_hash = hash,
                     .create_user = is_new == IsNewUser::kYes,
                     .create_as_admin = is_new == IsNewUser::kYes,
                     .token_hash = HashSecret(secret),
                     .lifetime_ms = static_cast<std::uint64_t>(
                         absl::ToInt64Milliseconds(options_.session_lifetime))};
  calls_.Propose(
      call, {}, std::move(login),
      [this, call, secret, reply, is_new, request](const absl::StatusOr<state::Outcome>& outcome) {
        // Another login, maybe an earlier try of this one, has made the user meanwhile,
        // of another salt.
        if (is_new == IsNewUser::kYes && absl::IsUnauthenticated(outcome.status()) &&
            !request.password().empty()) {
          return Login(call, request, reply);
        }
        if (!outcome.ok()) return reply(outcome.status());
        v1::LoginResponse response;
        response.set_token(FormatToken({.session = outcome->session, .secret = secret}));
        response.set_session_id(outcome->session.value());
        const auto session = calls_.node().sessions().Find(outcome->session);
        if (session) {
          response.set_expires_at_ms(session->expires_at_ms);
          response.set_is_admin(session->is_admin);
        }
        response.set_created_user(is_new == IsNewUser::kYes);
        reply(std::move(response));
      });
}

void AuthService::Logout(const Call& call, v1::LogoutRequest /*request*/,
                         Reply<v1::LogoutResponse> reply) {
  calls_.Propose(call, {}, state::Logout{},
                 [reply = std::move(reply)](const absl::StatusOr<state::Outcome>& outcome) {
                   if (!outcome.ok()) return reply(outcome.status());
                   reply(v1::LogoutResponse());
                 });
}

void AuthService::WhoAmI(const Call& call, v1::WhoAmIRequest /*request*/,
                         Reply<v1::WhoAmIResponse> reply) {
  v1::WhoAmIResponse response;
  response.set_user(call.caller.user);
  response.set_is_admin(call.caller.is_admin);
  response.set_session_id(call.caller.session.value());
  response.set_expires_at_ms(call.caller.expires_at_ms);
  reply(std::move(response));
}

void AuthService::ListUsers(const Call& call, v1::ListUsersRequest /*request*/,
                            Reply<v1::ListUsersResponse> reply) {
  calls_.Ask<v1::ListUsersResponse>(
      call, node::Consistency::kLinearizable,
      [](const state::Machine& state) -> absl::StatusOr<v1::ListUsersResponse> {
        std::set<std::string> present;
        for (const state::SessionView& session : state.Sessions()) {
          if (!session.attached.IsNone()) present.insert(session.user);
        }
        v1::ListUsersResponse response;
        for (const state::UserView& user : state.Users()) {
          v1::User& one = *response.add_users();
          one.set_name(user.name);
          one.set_is_admin(user.is_admin);
          one.set_created_at_ms(user.created_at_ms);
          one.set_is_present(present.contains(user.name));
        }
        return response;
      },
      std::move(reply));
}

void AuthService::CreateUser(const Call& call, v1::CreateUserRequest request,
                             Reply<v1::CreateUserResponse> reply) {
  if (absl::Status status = CheckUserName(request.name()); !status.ok()) return reply(status);
  if (absl::Status status = CheckNewPassword(request.password()); !status.ok()) {
    return reply(status);
  }
  RunSlowly(call, reply, [this, call, request, reply] {
    absl::StatusOr<std::string> hash = HashPassword(request.password());
    if (!hash.ok()) {
      return reply(Overloaded(std::string(hash.status().message()), kRetryLoginAfter));
    }
    calls_.Propose(call, request.request_id(),
                   state::CreateUser{.name = request.name(),
                                     .password_hash = *std::move(hash),
                                     .is_admin = request.is_admin()},
                   [reply](const absl::StatusOr<state::Outcome>& outcome) {
                     if (!outcome.ok()) return reply(outcome.status());
                     v1::CreateUserResponse response;
                     response.set_revision(outcome->revision.value());
                     reply(std::move(response));
                   });
  });
}

void AuthService::SetPassword(const Call& call, v1::SetPasswordRequest request,
                              Reply<v1::SetPasswordResponse> reply) {
  const std::string name = request.name().empty() ? call.caller.user : request.name();
  if (absl::Status status = CheckUserName(name); !status.ok()) return reply(status);
  if (absl::Status status = CheckNewPassword(request.new_password()); !status.ok()) {
    return reply(status);
  }
  if (absl::Status status = CheckPassword(request.old_password()); !status.ok()) {
    return reply(status);
  }
  const bool is_own = name == call.caller.user;
  if (!is_own && !call.caller.is_admin) {
    return reply(Error(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
                       "Only an administrator can set another user's password; ask one."));
  }
  if (!is_own) {
    return RunSlowly(call, reply, [this, call, request, name, reply] {
      ReplacePassword(call, request, name, reply);
    });
  }
  FindUser(call, name, [this, call, request, name, reply](const absl::StatusOr<Known>& user) {
    if (!user.ok()) return reply(user.status());
    RunSlowly(call, reply, [this, call, request, name, reply, user = *user] {
      const bool had_none = user.exists && user.hash.empty() && request.old_password().empty();
      // A repeated call whose first try was done finds the new one, and its answer in the state.
      if (!had_none && !VerifyPassword(user.hash, request.old_password()) &&
          !VerifyPassword(user.hash, request.new_password())) {
        return reply(Error(absl::StatusCode::kPermissionDenied, "WRONG_PASSWORD",
                           "The old password is wrong."));
      }
      ReplacePassword(call, request, name, reply);
    });
  });
}

void AuthService::ReplacePassword(const Call& call, const v1::SetPasswordRequest& request,
                                  const std::string& name,
                                  const Reply<v1::SetPasswordResponse>& reply) {
  absl::StatusOr<std::string> hash = HashPassword(request.new_password());
  if (!hash.ok()) {
    return reply(Overloaded(std::string(hash.status().message()), kRetryLoginAfter));
  }
  calls_.Propose(call, request.request_id(),
                 state::SetPassword{.name = name, .password_hash = *std::move(hash)},
                 [reply](const absl::StatusOr<state::Outcome>& outcome) {
                   if (!outcome.ok()) return reply(outcome.status());
                   v1::SetPasswordResponse response;
                   response.set_revision(outcome->revision.value());
                   reply(std::move(response));
                 });
}

void AuthService::RemoveUser(const Call& call, v1::RemoveUserRequest request,
                             Reply<v1::RemoveUserResponse> reply) {
  calls_.Propose(call, request.request_id(), state::RemoveUser{.name = request.name()},
                 [reply = std::move(reply)](const absl::StatusOr<state::Outcome>& outcome) {
                   if (!outcome.ok()) return reply(outcome.status());
                   v1::RemoveUserResponse response;
                   response.set_revision(outcome->revision.value());
                   reply(std::move(response));
                 });
}

}  // namespace coterie::rpc
