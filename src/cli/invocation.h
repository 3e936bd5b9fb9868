#pragma once

// What all commands share within one run of the program: the global options, the client (connected
// when first needed, by flag, then environment, then credentials file), and where output goes.
// Standard output is for data, standard error for talk. Main thread.

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/credentials_file.h"
#include "cli/terminal.h"
#include "client/client.h"

namespace coterie::cli {

inline constexpr int kDefaultPort = 50053;
inline constexpr char kDefaultNodes[] = "127.0.0.1:50053,127.0.0.1:50054,127.0.0.1:50055";
inline constexpr std::size_t kTextBytesMax = 64 << 20;

// As flags gave them; empty or zero = not given.
struct GlobalOptions {
  std::string nodes;
  std::string user;
  std::string ca_path;
  std::string timeout;
  bool is_json = false;
  bool no_color = false;
  bool is_quiet = false;
};

class Invocation {
 public:
  Invocation();

  GlobalOptions options;
  // The chosen command; set by the parser.
  std::function<absl::Status()> action;
  // In the shell: the session is attached, prompts and locks differ.
  bool is_shell = false;

  // The client, with a session: logs in with COTERIE_PASSWORD if there is none yet.
  // kUnauthenticated when there is no way to one.
  absl::StatusOr<client::Client*> Connect();
  // The client without asking for a session.
  absl::StatusOr<client::Client*> ConnectWithoutSession();
  // Logs in as `user` and keeps the session in the credentials file.
  absl::StatusOr<v1::LoginResponse> Login(const std::string& user, const std::string& password);
  absl::Status Logout();
  // Forgets a session that the cluster does not know any more; true if another login may help.
  bool ForgetSession();

  // Connect() and one call; the usual body of a command.
  template <class Request>
  absl::StatusOr<typename client::Method<Request>::Response> Call(Request request) {
    absl::StatusOr<client::Client*> client = Connect();
    if (!client.ok()) return client.status();
    return (*client)->Call(std::move(request));
  }

  // All of standard input, read once for a command: one that is run again finds it again.
  // kResourceExhausted above `bytes_max`.
  absl::StatusOr<std::string> StandardInput(std::size_t bytes_max);
  // Another command begins: forgets the input and the lost output of the last one.
  void Begin();
  // Keeps who the cluster's members are, now and then: those of the login may go, one by one.
  void KeepMembers();

  // The user to act as: flag, environment, credentials file; may be empty.
  std::string user();
  // What --timeout says; 10 s without.
  absl::StatusOr<absl::Duration> timeout() const;

  bool is_json() const { return options.is_json; }
  bool has_color() const { return has_color_ && !options.no_color && !options.is_json; }
  // Standard output. What could not be written is remembered: see OutputError().
  void Print(const std::string& text);
  // Why a part of this command's output is lost; OK if none is. kCancelled without words when
  // nobody reads on, kResourceExhausted on a full disk.
  absl::Status OutputError() const;
  void PrintLine(const std::string& text) { Print(text + "\n"); }
  // With {"v":1} added, on one line.
  void PrintJson(nlohmann::json json);
  // What a change answered: all of it as JSON, or the number that matters, and for who sits there
  // what it means.
  void Report(const google::protobuf::Message& response, std::uint64_t number,
              const std::string& said = "");
  // Standard error, unless --quiet.
  void Say(const std::string& text);
  std::string Paint(const std::string& text, Color color) const {
    return cli::Paint(text, color, has_color());
  }
  // Asks "... [y/N]" on the terminal; without one, only `yes` says yes.
  absl::Status Confirm(const std::string& question, bool yes);

 private:
  // Flag, then environment; empty = not given.
  std::string GivenNodes() const;
  // Whom to ask; finds the session that is theirs.
  absl::StatusOr<std::vector<std::string>> FindNodes();
  // kInvalidArgument for a file without a certificate.
  absl::Status LoadAuthority(client::Credentials& credentials) const;
  absl::Status LoadCredentials();
  // What the cluster says of itself; empty when it says nothing.
  std::vector<std::string> AskMembers();
  // Why there is a session and yet none here.
  absl::Status NoSession();

  bool has_color_;
  std::optional<absl::StatusOr<std::string>> input_;
  int output_errno_ = 0;
  bool credentials_loaded_ = false;
  CredentialsFile credentials_;
  std::string credentials_path_;
  std::optional<Session> session_;  // At these nodes.
  bool is_tls_ = false;
  std::unique_ptr<client::Client> client_;
};

// A name, or "id:NUMBER".
absl::StatusOr<v1::DocumentRef> ParseDocument(const std::string& text);
// Every field by its name in the proto, enumerators in lower case without their prefix, 64-bit
// numbers as numbers; unset fields with their defaults, unset messages left out.
nlohmann::json ToJson(const google::protobuf::Message& message);
// `json` as text; what is not UTF-8 is replaced.
std::string JsonText(const nlohmann::json& json);

}  // namespace coterie::cli
