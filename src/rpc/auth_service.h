#pragma once

// coterie.v1.AuthService: users, passwords, sessions. Passwords are checked here, on threads of
// their own, against the hash that the state holds; only hashes enter the log. Any thread.

#include <string>

#include "coterie/v1/auth.pb.h"
#include "rpc/call.h"
#include "rpc/node_calls.h"
#include "rpc/passwords.h"
#include "rpc/turn_threads.h"

namespace coterie::rpc {

struct LoginOptions {
  // Development login: a user is made at their first one, the first of all as an administrator, and
  // may have no password.
  bool creates_users = false;
  absl::Duration session_lifetime = absl::Hours(24 * 30);
};

// Of 64 that wait the last one has its answer in some seconds.
inline constexpr TurnThreads::Options kPasswordTurns{.threads = kPasswordThreads,
                                                     .running_per_user_max = kPasswordThreads,
                                                     .waiting_per_user_max = 64,
                                                     .waiting_max = 1'024};

class AuthService {
 public:
  AuthService(const NodeCalls& calls, TurnThreads& passwords, LoginOptions options)
      : calls_(calls), passwords_(passwords), options_(options) {}

  void Login(const Call& call, v1::LoginRequest request, Reply<v1::LoginResponse> reply);
  void Logout(const Call& call, v1::LogoutRequest request, Reply<v1::LogoutResponse> reply);
  void WhoAmI(const Call& call, v1::WhoAmIRequest request, Reply<v1::WhoAmIResponse> reply);
  void ListUsers(const Call& call, v1::ListUsersRequest request,
                 Reply<v1::ListUsersResponse> reply);
  void CreateUser(const Call& call, v1::CreateUserRequest request,
                  Reply<v1::CreateUserResponse> reply);
  void SetPassword(const Call& call, v1::SetPasswordRequest request,
                   Reply<v1::SetPasswordResponse> reply);
  void RemoveUser(const Call& call, v1::RemoveUserRequest request,
                  Reply<v1::RemoveUserResponse> reply);

 private:
  enum class IsNewUser : bool { kNo, kYes };
  struct Known {
    bool exists = false;
    std::string hash;
    bool is_secure = false;  // The cluster, whatever this node was started as.
  };
  void FindUser(const Call& call, const std::string& name,
                std::function<void(absl::StatusOr<Known>)> done);
  // Runs `work` on a password thread; kResourceExhausted to `refuse` when too many wait. Callers
  // take turns: who is logged in by user, strangers by address.
  void RunSlowly(const Call& call, const std::function<void(absl::Status)>& refuse,
                 std::function<void()> work);
  void CheckLogin(const Call& call, const v1::LoginRequest& request, const Known& user,
                  Reply<v1::LoginResponse> reply);
  void OpenSession(const Call& call, const std::string& user, const std::string& hash,
                   const Reply<v1::LoginResponse>& reply, IsNewUser is_new,
                   const v1::LoginRequest& request = {});
  void ReplacePassword(const Call& call, const v1::SetPasswordRequest& request,
                       const std::string& name, const Reply<v1::SetPasswordResponse>& reply);

  const NodeCalls& calls_;
  TurnThreads& passwords_;
  const LoginOptions options_;
};

}  // namespace coterie::rpc
