#include "cli/invocation.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "cli/explain.h"
#include "runtime/status_macros.h"
#include "tls/pem.h"

namespace coterie::cli {
namespace {

// When nothing at all can be connected, say so instead of waiting for the deadline.
constexpr absl::Duration kUnreachableTimeout = absl::Seconds(2);

}  // namespace

Invocation::Invocation()
    : has_color_(WantsColor(STDOUT_FILENO)), credentials_path_(CredentialsPath()) {}

absl::Status Invocation::LoadCredentials() {
  if (credentials_loaded_ || credentials_path_.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(credentials_, CredentialsFile::Load(credentials_path_));
  credentials_loaded_ = true;
  return absl::OkStatus();
}

std::string Invocation::user() {
  if (!options.user.empty()) return options.user;
  if (std::string user = Environment("COTERIE_USER"); !user.empty()) return user;
  return LoadCredentials().ok() ? credentials_.current_user : std::string();
}

absl::StatusOr<absl::Duration> Invocation::timeout() const {
  if (options.timeout.empty()) return absl::Seconds(10);
  absl::Duration timeout;
  if (!absl::ParseDuration(options.timeout, &timeout) || timeout <= absl::ZeroDuration()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("--timeout ", options.timeout, " is no duration"),
                 "say for example --timeout 30s");
  }
  return timeout;
}

absl::StatusOr<std::vector<std::string>> Invocation::Nodes() {
  std::string given = options.nodes.empty() ? Environment("COTERIE_NODES") : options.nodes;
  const auto session = credentials_.sessions.find(user());
  std::vector<std::string> learned;
  if (session != credentials_.sessions.end()) learned = session->second.nodes;
  if (given.empty() && learned.empty()) given = kDefaultNodes;
  if (given.empty()) return client::ParseAddresses(absl::StrJoin(learned, ","), kDefaultPort);
  ASSIGN_OR_RETURN(std::vector<std::string> nodes, client::ParseAddresses(given, kDefaultPort));
  // The session's other nodes stand in for a given one that is down, if it is the same cluster.
  const bool is_same_cluster =
      std::any_of(nodes.begin(), nodes.end(), [&](const std::string& node) {
        return std::find(learned.begin(), learned.end(), node) != learned.end();
      });
  if (!is_same_cluster) return nodes;
  for (const std::string& node : learned) {
    const bool is_new = std::find(nodes.begin(), nodes.end(), node) == nodes.end();
    if (is_new && nodes.size() < client::kAddressesMax) nodes.push_back(node);
  }
  return nodes;
}

absl::Status Invocation::LoadAuthority(client::Credentials& credentials) const {
  const bool is_flag = !options.ca_path.empty();
  const std::string path = is_flag ? options.ca_path : Environment("COTERIE_CA");
  if (path.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(credentials.ca_pem,
                   tls::LoadAuthority({.flag = is_flag ? "--ca" : "COTERIE_CA", .path = path}));
  return absl::OkStatus();
}

absl::StatusOr<client::Client*> Invocation::ConnectWithoutSession() {
  if (client_ != nullptr) return client_.get();
  RETURN_IF_ERROR(LoadCredentials());
  client::Options client_options{.unreachable_timeout = kUnreachableTimeout};
  ASSIGN_OR_RETURN(client_options.addresses, Nodes());
  ASSIGN_OR_RETURN(client_options.call_timeout, timeout());
  RETURN_IF_ERROR(LoadAuthority(client_options.credentials));
  const auto session = credentials_.sessions.find(user());
  if (session != credentials_.sessions.end()) client_options.token = session->second.token;
  ASSIGN_OR_RETURN(client_, client::Client::Open(std::move(client_options)));
  return client_.get();
}

absl::StatusOr<client::Client*> Invocation::Connect() {
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  if (!client->token().empty()) return client;
  const std::string name = user();
  const std::string password = Environment("COTERIE_PASSWORD");
  if (name.empty() || password.empty()) {
    return Error(absl::StatusCode::kUnauthenticated, "you are not logged in",
                 "coterie login NAME, or set COTERIE_USER and COTERIE_PASSWORD");
  }
  RETURN_IF_ERROR(Login(name, password).status());
  return client;
}

absl::StatusOr<v1::LoginResponse> Invocation::Login(const std::string& name,
                                                    const std::string& password) {
  options.user = name;
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  ASSIGN_OR_RETURN(v1::LoginResponse response, client->Login(name, password));
  client->LearnMembers().IgnoreError();  // Only for the next run's comfort.
  credentials_.current_user = name;
  credentials_.sessions[name] = {.token = response.token(),
                                 .nodes = client->addresses(),
                                 .expires_at_ms = response.expires_at_ms()};
  RETURN_IF_ERROR(credentials_.Save(credentials_path_));
  return response;
}

absl::Status Invocation::Logout() {
  const std::string name = user();
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  if (client->token().empty()) {
    Say("nobody was logged in");
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(client->Logout());
  credentials_.sessions.erase(name);
  if (credentials_.current_user == name) credentials_.current_user.clear();
  return credentials_.Save(credentials_path_);
}

bool Invocation::ForgetSession() {
  const std::string name = user();
  if (client_ == nullptr || client_->token().empty()) return false;
  client_->SetToken("");
  credentials_.sessions.erase(name);
  return !name.empty() && !Environment("COTERIE_PASSWORD").empty();
}

absl::StatusOr<std::string> Invocation::StandardInput(std::size_t bytes_max) {
  if (!input_) input_ = ReadStandardInput(bytes_max);
  return *input_;
}

void Invocation::Begin() {
  input_.reset();
  output_errno_ = 0;
  std::clearerr(stdout);
}

void Invocation::Print(const std::string& text) {
  const bool is_written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!is_written && output_errno_ == 0) output_errno_ = errno;
}

absl::Status Invocation::OutputError() const {
  if (output_errno_ == 0) return absl::OkStatus();
  if (output_errno_ == EPIPE) return absl::CancelledError();
  const bool is_full = output_errno_ == ENOSPC || output_errno_ == EDQUOT || output_errno_ == EFBIG;
  return Error(is_full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
               absl::StrCat("standard output cannot be written: ",
                            std::system_category().message(output_errno_)),
               "look at where the output goes");
}

void Invocation::PrintJson(nlohmann::json json) {
  json["v"] = 1;
  PrintLine(JsonText(json));
}

void Invocation::Report(const google::protobuf::Message& response, std::uint64_t number,
                        const std::string& said) {
  if (is_json()) return PrintJson(ToJson(response));
  PrintLine(absl::StrCat(number));
  if (!said.empty() && isatty(STDERR_FILENO) != 0) Say(said);
}

void Invocation::Say(const std::string& text) {
  if (options.is_quiet) return;
  std::fflush(stdout);
  const std::string line = Printable(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

absl::Status Invocation::Confirm(const std::string& question, bool yes) {
  if (yes) return absl::OkStatus();
  const absl::StatusOr<std::string> answer = Ask(question + " [y/N] ", Echo::kOn);
  if (!answer.ok()) {
    return Error(absl::StatusCode::kInvalidArgument, "this needs a yes, and nobody can be asked",
                 "add --yes");
  }
  if (*answer == "y" || *answer == "Y" || *answer == "yes") return absl::OkStatus();
  return absl::CancelledError("nothing was done");
}

absl::StatusOr<v1::DocumentRef> ParseDocument(const std::string& text) {
  v1::DocumentRef document;
  if (text.rfind("id:", 0) != 0) {
    if (text.empty()) return absl::InvalidArgumentError("a document's name cannot be empty");
    document.set_name(text);
    return document;
  }
  std::uint64_t id = 0;
  if (!absl::SimpleAtoi(text.substr(3), &id) || id == 0) {
    return Error(absl::StatusCode::kInvalidArgument, absl::StrCat("\"", text, "\" is no document"),
                 "say its name, or id: and its number");
  }
  document.set_id(id);
  return document;
}

std::string JsonText(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace coterie::cli
