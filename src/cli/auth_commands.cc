// login, logout, whoami, passwd, users: who one is.

#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/explain.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kPasswordBytesMax = 4096;

struct UserFlags {
  std::string user;
  bool password_stdin = false;
  bool is_admin = false;
  bool yes = false;
};

// From standard input, the environment, or a person.
absl::StatusOr<std::string> GetPassword(Invocation& cli, const std::string& question,
                                        bool from_stdin, const char* variable) {
  if (from_stdin) {
    ASSIGN_OR_RETURN(const std::string text, cli.StandardInput(kPasswordBytesMax));
    return std::string(absl::StripSuffix(text, "\n"));
  }
  if (std::string password = Environment(variable); !password.empty()) return password;
  const absl::StatusOr<std::string> answer = Ask(question, Echo::kOff);
  if (answer.ok()) return *answer;
  return Error(absl::StatusCode::kInvalidArgument, "a password is needed, and nobody can be asked",
               absl::StrCat("set ", variable, ", or pipe it in with --password-stdin"));
}

absl::Status Login(Invocation& cli, const UserFlags& flags) {
  std::string user = flags.user.empty() ? cli.user() : flags.user;
  if (user.empty()) {
    absl::StatusOr<std::string> answer = Ask("User: ", Echo::kOn);
    if (!answer.ok() || answer->empty()) {
      return Error(absl::StatusCode::kInvalidArgument, "who are you?",
                   "coterie login NAME, or set COTERIE_USER");
    }
    user = *std::move(answer);
  }
  ASSIGN_OR_RETURN(const std::string password,
                   GetPassword(cli, absl::StrCat("Password of ", user, ": "), flags.password_stdin,
                               "COTERIE_PASSWORD"));
  ASSIGN_OR_RETURN(v1::LoginResponse response, cli.Login(user, password));
  if (cli.is_json()) {
    response.clear_token();  // Stays in the credentials file.
    nlohmann::json json = ToJson(response);
    json.erase("token");
    json["user"] = user;
    cli.PrintJson(std::move(json));
    return absl::OkStatus();
  }
  cli.Say(absl::StrCat("logged in as ", user, response.created_user() ? " (a new user)" : "",
                       response.is_admin() ? ", an admin" : "", "; until ",
                       TimeText(response.expires_at_ms())));
  return absl::OkStatus();
}

absl::Status Logout(Invocation& cli, const UserFlags&) {
  RETURN_IF_ERROR(cli.Logout());
  if (cli.is_json()) cli.PrintJson({{"logged_out", true}});
  return absl::OkStatus();
}

absl::Status WhoAmI(Invocation& cli, const UserFlags&) {
  ASSIGN_OR_RETURN(const v1::WhoAmIResponse response, cli.Call(v1::WhoAmIRequest()));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
  } else {
    cli.PrintLine(Printable(response.user()));
  }
  return absl::OkStatus();
}

absl::Status ChangePassword(Invocation& cli, const UserFlags& flags) {
  v1::SetPasswordRequest request;
  request.set_name(flags.user);
  if (flags.user.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_old_password(),
                     GetPassword(cli, "Your password now: ", false, "COTERIE_PASSWORD"));
  }
  ASSIGN_OR_RETURN(
      *request.mutable_new_password(),
      GetPassword(cli, "New password: ", flags.password_stdin, "COTERIE_NEW_PASSWORD"));
  ASSIGN_OR_RETURN(const v1::SetPasswordResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) cli.PrintJson(ToJson(response));
  cli.Say("the password was changed");
  return absl::OkStatus();
}

absl::Status ListUsers(Invocation& cli, const UserFlags&) {
  ASSIGN_OR_RETURN(const v1::ListUsersResponse response, cli.Call(v1::ListUsersRequest()));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  if (isatty(STDOUT_FILENO) != 0) rows.push_back({"NAME", "ROLE", "HERE", "SINCE"});
  for (const v1::User& user : response.users()) {
    rows.push_back({OneLine(user.name(), 64), user.is_admin() ? "admin" : "user",
                    user.is_present() ? "yes" : "no", TimeText(user.created_at_ms())});
  }
  cli.Print(Table(rows));
  return absl::OkStatus();
}

absl::Status AddUser(Invocation& cli, const UserFlags& flags) {
  v1::CreateUserRequest request;
  request.set_name(flags.user);
  request.set_is_admin(flags.is_admin);
  ASSIGN_OR_RETURN(*request.mutable_password(),
                   GetPassword(cli, absl::StrCat("Password for ", flags.user, ": "),
                               flags.password_stdin, "COTERIE_NEW_PASSWORD"));
  ASSIGN_OR_RETURN(const v1::CreateUserResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) cli.PrintJson(ToJson(response));
  cli.Say(absl::StrCat(flags.user, " can log in now"));
  return absl::OkStatus();
}

absl::Status RemoveUser(Invocation& cli, const UserFlags& flags) {
  RETURN_IF_ERROR(
      cli.Confirm(absl::StrCat("Remove ", flags.user, " and end all of the sessions?"), flags.yes));
  v1::RemoveUserRequest request;
  request.set_name(flags.user);
  ASSIGN_OR_RETURN(const v1::RemoveUserResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) cli.PrintJson(ToJson(response));
  cli.Say(absl::StrCat(flags.user, " was removed"));
  return absl::OkStatus();
}

}  // namespace

void AddAuthCommands(CLI::App& app, Invocation& cli) {
  auto login = std::make_shared<UserFlags>();
  CLI::App* command = AddCommand<UserFlags>(
      app, cli, "login", "Begin a session; it is kept for later commands",
      "  coterie login mia\n"
      "  COTERIE_PASSWORD=secret coterie login mia --nodes db1:50053,db2:50053\n"
      "  pass show coterie | coterie login mia --password-stdin",
      login, Login);
  command->add_option("NAME", login->user, "Your name; asked for if left out");
  command->add_flag("--password-stdin", login->password_stdin, "Read the password from stdin");

  AddCommand<UserFlags>(app, cli, "logout", "End the session; its locks are released", "",
                        std::make_shared<UserFlags>(), Logout);
  AddCommand<UserFlags>(app, cli, "whoami", "Print the name that you are logged in with", "",
                        std::make_shared<UserFlags>(), WhoAmI);

  auto password = std::make_shared<UserFlags>();
  command = AddCommand<UserFlags>(app, cli, "passwd", "Change a password",
                                  "  coterie passwd          your own\n"
                                  "  coterie passwd ben      as an admin",
                                  password, ChangePassword);
  command->add_option("NAME", password->user, "Somebody else, as an admin");
  command->add_flag("--password-stdin", password->password_stdin, "Read the new one from stdin");

  CLI::App* users = AddCommand<UserFlags>(app, cli, "users", "List, add and remove users",
                                          "  coterie users\n  coterie users add ben\n"
                                          "  coterie users rm ben",
                                          std::make_shared<UserFlags>(), ListUsers);
  auto added = std::make_shared<UserFlags>();
  command = AddCommand<UserFlags>(*users, cli, "add", "Add a user (admins)", "", added, AddUser);
  command->add_option("NAME", added->user, "The new user")->required();
  command->add_flag("--admin", added->is_admin, "May administer the cluster");
  command->add_flag("--password-stdin", added->password_stdin, "Read the password from stdin");
  auto removed = std::make_shared<UserFlags>();
  command =
      AddCommand<UserFlags>(*users, cli, "rm", "Remove a user (admins)", "", removed, RemoveUser);
  command->add_option("NAME", removed->user, "The user to remove")->required();
  command->add_flag("-y,--yes", removed->yes, "Do not ask");
}

}  // namespace coterie::cli
