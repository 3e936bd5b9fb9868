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
// How old what is known of the members may be, and how long asking for them may take.
constexpr std::uint64_t kMembersKeptMs = 10 * 60 * 1000;
constexpr absl::Duration kMembersTimeout = absl::Seconds(1);

std::uint64_t NowMs() { return static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now())); }

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

std::string Invocation::GivenNodes() const {
  return options.nodes.empty() ? Environment("COTERIE_NODES") : options.nodes;
}

absl::StatusOr<std::vector<std::string>> Invocation::FindNodes() {
  std::vector<std::string> nodes;
  const std::string given = GivenNodes();
  if (!given.empty()) {
    ASSIGN_OR_RETURN(nodes, client::ParseAddresses(given, kDefaultPort));
  }
  session_.reset();
  if (const Session* session = credentials_.Find(user(), nodes)) session_ = *session;
  if (nodes.empty() && !session_) return client::ParseAddresses(kDefaultNodes, kDefaultPort);
  if (!session_) return nodes;
  // The session's other nodes stand in for a given one that is down.
  for (const std::vector<std::string>* others : {&session_->nodes, &session_->given}) {
    for (const std::string& node : *others) {
      const bool is_new = std::find(nodes.begin(), nodes.end(), node) == nodes.end();
      if (is_new && nodes.size() < client::kAddressesMax) nodes.push_back(node);
    }
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
  ASSIGN_OR_RETURN(client_options.addresses, FindNodes());
  ASSIGN_OR_RETURN(client_options.call_timeout, timeout());
  RETURN_IF_ERROR(LoadAuthority(client_options.credentials));
  is_tls_ = client_options.credentials.ca_pem.has_value();
  if (session_ && (is_tls_ || !session_->is_tls)) client_options.token = session_->token;
  ASSIGN_OR_RETURN(client_, client::Client::Open(std::move(client_options)));
  return client_.get();
}

absl::Status Invocation::NoSession() {
  const std::string name = user();
  if (session_ && session_->is_tls && !is_tls_) {
    return Error(absl::StatusCode::kUnauthenticated,
                 absl::StrCat("the session of ", name,
                              " began over TLS; without, its token could be read on the way"),
                 absl::StrCat("add --ca FILE or set COTERIE_CA; coterie login ", name,
                              " begins one without TLS"));
  }
  const Session* elsewhere = session_ ? nullptr : credentials_.Find(name, {});
  if (elsewhere != nullptr) {
    return Error(absl::StatusCode::kUnauthenticated,
                 absl::StrCat("the session of ", name, " is at ",
                              absl::StrJoin(elsewhere->nodes, ","), ", not at ", GivenNodes()),
                 absl::StrCat("coterie login ", name, " --nodes ", GivenNodes(),
                              ", or leave --nodes and COTERIE_NODES out"));
  }
  return Error(absl::StatusCode::kUnauthenticated, "you are not logged in",
               "coterie login NAME, or set COTERIE_USER and COTERIE_PASSWORD");
}

absl::StatusOr<client::Client*> Invocation::Connect() {
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  if (!client->token().empty()) return client;
  const std::string name = user();
  const std::string password = Environment("COTERIE_PASSWORD");
  const bool is_withheld = session_ && session_->is_tls && !is_tls_;
  if (name.empty() || password.empty() || is_withheld) return NoSession();
  RETURN_IF_ERROR(Login(name, password).status());
  return client;
}

std::vector<std::string> Invocation::AskMembers() {
  const absl::StatusOr<v1::GetStatusResponse> status =
      client_->Call(v1::GetStatusRequest(), {.timeout = kMembersTimeout});
  std::vector<std::string> members;
  if (!status.ok()) return members;  // It is only for the next run's comfort.
  for (const v1::NodeStatus& node : status->nodes()) {
    const absl::StatusOr<std::string> address =
        client::NormalizeAddress(node.client_address(), kDefaultPort);
    if (address.ok() && members.size() < client::kAddressesMax) members.push_back(*address);
  }
  return members;
}

absl::StatusOr<v1::LoginResponse> Invocation::Login(const std::string& name,
                                                    const std::string& password) {
  options.user = name;
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  ASSIGN_OR_RETURN(v1::LoginResponse response, client->Login(name, password));
  Session session{.user = name,
                  .token = response.token(),
                  .nodes = AskMembers(),
                  .expires_at_ms = response.expires_at_ms(),
                  .asked_at_ms = NowMs(),
                  .is_tls = is_tls_};
  if (const std::string given = GivenNodes(); !given.empty()) {
    ASSIGN_OR_RETURN(session.given, client::ParseAddresses(given, kDefaultPort));
  }
  if (session.nodes.empty()) session.nodes = client->addresses();
  session_ = session;
  credentials_.current_user = name;
  credentials_.Put(std::move(session));
  RETURN_IF_ERROR(credentials_.Save(credentials_path_));
  return response;
}

absl::Status Invocation::Logout() {
  const std::string name = user();
  ASSIGN_OR_RETURN(client::Client * client, ConnectWithoutSession());
  const std::string token = client->token();
  if (token.empty() && session_) return NoSession();
  if (token.empty()) {
    Say("nobody was logged in");
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(client->Logout());
  session_.reset();
  credentials_.Erase(token);
  if (credentials_.current_user == name) credentials_.current_user.clear();
  return credentials_.Save(credentials_path_);
}

bool Invocation::ForgetSession() {
  if (client_ == nullptr || client_->token().empty()) return false;
  credentials_.Erase(client_->token());
  client_->SetToken("");
  session_.reset();
  return !user().empty() && !Environment("COTERIE_PASSWORD").empty();
}

void Invocation::KeepMembers() {
  if (client_ == nullptr || !session_ || client_->token() != session_->token) return;
  const std::uint64_t now_ms = NowMs();
  const bool is_fresh =
      session_->asked_at_ms <= now_ms && now_ms - session_->asked_at_ms < kMembersKeptMs;
  if (is_fresh) return;
  std::vector<std::string> members = AskMembers();
  if (members.empty()) return;
  session_->nodes = std::move(members);
  session_->asked_at_ms = now_ms;
  session_->is_tls = is_tls_;
  // Another process may have logged in or out meanwhile.
  absl::StatusOr<CredentialsFile> file = CredentialsFile::Load(credentials_path_);
  if (!file.ok()) return;
  for (Session& kept : file->sessions) {
    if (kept.token != session_->token) continue;
    kept = *session_;
    if (file->Save(credentials_path_).ok()) credentials_ = *std::move(file);
    return;
  }
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
  return EscapeControls(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace coterie::cli
