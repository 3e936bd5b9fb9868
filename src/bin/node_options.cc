#include "bin/node_options.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "bin/loopback.h"
#include "spell/dictionary.h"

namespace coterie::bin {
namespace {

constexpr std::uint64_t kElectionTimeoutMsMin = 50;
constexpr std::uint64_t kElectionTimeoutMsMax = 60'000;
constexpr std::size_t kHttpThreadsMax = 64;
constexpr std::size_t kLlmServersMax = 16;

bool IsPort(std::string_view text) {
  std::uint32_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && rest == end && port > 0 && port <= 65'535;
}

bool IsAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || text.size() > raft::kAddressBytesMax) {
    return false;
  }
  return IsPort(std::string_view(text).substr(colon + 1));
}

// A name, an IPv4 address or, in brackets, an IPv6 address, as far as letters tell.
bool IsHost(std::string_view host) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  }
  return !host.empty() && host.find_first_not_of(kLetters) == std::string_view::npos;
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;  // With its colon; empty = none.
};
HostAndPort SplitPort(std::string_view text) {
  const std::size_t begin = text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0;
  const std::size_t colon = std::min(text.find(':', begin), text.size());
  return {.host = text.substr(0, colon), .port = text.substr(colon)};
}

// As a browser sends it: without the port that is the scheme's own. "*" is any origin, and "*" as
// a port any port.
bool IsOrigin(std::string_view origin) {
  if (origin == "*") return true;
  std::string_view own_port = ":80";
  if (origin.starts_with("http://")) {
    origin.remove_prefix(7);
  } else if (origin.starts_with("https://")) {
    origin.remove_prefix(8);
    own_port = ":443";
  } else {
    return false;
  }
  const auto [host, port] = SplitPort(origin);
  const bool is_port = port.empty() || port == ":*" || (port != own_port && IsPort(port.substr(1)));
  return IsHost(host) && is_port;
}

bool IsHttpHost(std::string_view text) {
  const auto [host, port] = SplitPort(text);
  return IsHost(host) && (port.empty() || IsPort(port.substr(1)));
}

// Where one listens at all addresses of a machine, and where nobody can go.
bool IsEverywhere(std::string_view address) {
  const std::string_view host = address.substr(0, address.rfind(':'));
  return host == "0.0.0.0" || host == "[::]" || host == "::";
}

absl::Status CheckAddress(const char* flag, const std::string& address) {
  if (IsAddress(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", address,
                   ": not HOST:PORT with a port of 1 to 65535, for example 127.0.0.1:50053"));
}

absl::Status CheckAdvertised(const char* flag, const std::string& address) {
  if (IsAddress(address) && IsEverywhere(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", address, ": nobody can go there; give ", flag,
                     " HOST:PORT with the address that others reach this node by"));
  }
  return CheckAddress(flag, address);
}

absl::Status CheckOrigins(const NodeOptions& options) {
  for (const std::string& origin : options.http_origins) {
    if (IsOrigin(origin)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--http-origin ", origin,
                     ": not what a browser sends: SCHEME://HOST:PORT, without a slash behind it "
                     "and without the scheme's own port, as https://a.example or "
                     "https://a.example:8080; http://localhost:* is any port, * any origin"));
  }
  for (const std::string& host : options.http_hosts) {
    if (IsHttpHost(host)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--http-host ", host, ": not a name, perhaps with a port, as a.example or a.example:8080"));
  }
  return absl::OkStatus();
}

absl::Status CheckLanguage(const NodeOptions& options) {
  if (!options.is_language_asked_for) return absl::OkStatus();
  const std::string& language = options.language;
  if (spell::Dictionary::Open(spell::Dictionary::kFolder, language) != nullptr) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--spelling ", language, ": there is no such dictionary in ", spell::Dictionary::kFolder,
      ", or none in UTF-8 or Latin-1; Debian's are the packages hunspell-*"));
}

// It goes into a header and a page: nothing but loopback, a port and a word.
bool IsControl(const std::string& url) {
  constexpr std::string_view kBegin = "http://127.0.0.1:";
  if (url.substr(0, kBegin.size()) != kBegin || url.size() > 100) return false;
  const std::size_t slash = url.find('/', kBegin.size());
  if (slash == std::string::npos || !IsAddress(url.substr(7, slash - 7))) return false;
  return url.find_first_not_of("0123456789abcdef", slash + 1) == std::string::npos;
}

absl::Status CheckHttp(const NodeOptions& options) {
  if (!options.control.empty() && (!IsControl(options.control) || options.is_secure)) {
    return absl::InvalidArgumentError(
        "--control: http://127.0.0.1:PORT/TOKEN, as `coterie up` gives it to the nodes of a "
        "development cluster; not with --secure");
  }
  if (options.http_threads < 1 || options.http_threads > kHttpThreadsMax) {
    return absl::InvalidArgumentError("--http-threads: must be 1 to 64");
  }
  if (options.http_sockets_per_address < 1) {
    return absl::InvalidArgumentError("--http-sockets-per-address: must be above 0");
  }
  absl::Status status = CheckOrigins(options);
  if (!status.ok()) return status;
  if (!options.http_listen.empty()) return CheckAddress("--http-listen", options.http_listen);
  if (!options.web_root.empty()) {
    return absl::InvalidArgumentError("--web-root is of use with --http-listen");
  }
  return absl::OkStatus();
}

absl::Status CheckFounders(const NodeOptions& options) {
  if (options.joins == !options.founders.empty()) {
    return absl::InvalidArgumentError(
        "give either --founder for each founding member, the same on all of them, or --join to "
        "wait until `coterie cluster add` has made this node a member");
  }
  if (options.joins && !options.restore_from.empty()) {
    return absl::InvalidArgumentError(
        "--restore is for the founders of a new cluster; who joins gets everything from the "
        "others");
  }
  if (options.joins) return absl::OkStatus();
  if (options.founders.size() > raft::kVotersMax) {
    return absl::InvalidArgumentError("--founder: at most 7 can found a cluster");
  }
  std::set<NodeId> ids;
  for (const raft::Member& founder : options.founders) {
    if (ids.insert(founder.id).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--founder ", founder.id.value(), " is there twice; give each founder once"));
  }
  const auto self =
      std::find_if(options.founders.begin(), options.founders.end(),
                   [&](const raft::Member& member) { return member.id.value() == options.id; });
  if (self == options.founders.end()) {
    return absl::InvalidArgumentError(absl::StrCat("--founder: node ", options.id,
                                                   " (--id) is not among them; add it, or --join"));
  }
  if (self->address != options.peer_advertise || self->client_address != options.advertise) {
    return absl::InvalidArgumentError(
        absl::StrCat("--founder ", options.id, "=", self->address, "=", self->client_address,
                     " does not match this node's own addresses, ", options.peer_advertise, " and ",
                     options.advertise, "; see --peer-advertise and --advertise"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<raft::Member> ParseFounder(const std::string& text) {
  const std::size_t first = text.find('=');
  const std::size_t second = first == std::string::npos ? first : text.find('=', first + 1);
  std::uint64_t id = 0;
  if (second != std::string::npos) {
    const char* end = text.data() + first;
    const auto [rest, error] = std::from_chars(text.data(), end, id);
    if (error != std::errc() || rest != end) id = 0;
  }
  raft::Member member;
  if (id != 0) {
    member = {.id = NodeId(id),
              .address = text.substr(first + 1, second - first - 1),
              .client_address = text.substr(second + 1)};
  }
  if (id == 0 || !IsAddress(member.address) || !IsAddress(member.client_address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--founder ", text,
        ": not ID=PEER_HOST:PORT=CLIENT_HOST:PORT, for example 1=127.0.0.1:50153=127.0.0.1:50053"));
  }
  return member;
}

absl::Status CheckOptions(const NodeOptions& options) {
  if (options.id == 0) return absl::InvalidArgumentError("--id: must be above 0");
  if (options.cluster_id == 0) return absl::InvalidArgumentError("--cluster-id: must be above 0");
  absl::Status status = CheckAddress("--listen", options.listen);
  status.Update(CheckAddress("--peer-listen", options.peer_listen));
  status.Update(CheckAdvertised("--advertise", options.advertise));
  status.Update(CheckAdvertised("--peer-advertise", options.peer_advertise));
  if (options.election_timeout_ms < kElectionTimeoutMsMin ||
      options.election_timeout_ms > kElectionTimeoutMsMax) {
    status.Update(absl::InvalidArgumentError("--election-timeout-ms: must be 50 to 60000"));
  }
  status.Update(CheckHttp(options));
  status.Update(CheckLanguage(options));
  if (options.llm_addresses.size() > kLlmServersMax) {
    return absl::InvalidArgumentError("--llm: at most 16 servers");
  }
  for (const std::string& address : options.llm_addresses) {
    status.Update(CheckAddress("--llm", address));
  }
  if (options.llm_addresses.empty() && !options.tls.llm_authority.empty()) {
    status.Update(absl::InvalidArgumentError(
        "--llm-tls-ca: there is no --llm HOST:PORT whose certificate it could check"));
  }
  status.Update(CheckFounders(options));
  return status;
}

std::vector<std::string> WarningsOf(const NodeOptions& options) {
  std::string open;  // Ports for clients that other machines can reach.
  for (const std::string& address : {options.listen, options.http_listen}) {
    if (address.empty() || IsLoopback(address)) continue;
    absl::StrAppend(&open, open.empty() ? "" : " and ", address);
  }
  std::vector<std::string> warnings;
  if (!open.empty() && !options.is_secure) {
    warnings.push_back(absl::StrCat("whoever reaches ", open,
                                    " becomes a user by logging in under a new name, the first one "
                                    "an administrator: that is for development; see --secure"));
  }
  if (!open.empty() && options.tls.certificate.empty()) {
    warnings.push_back(absl::StrCat("passwords, tokens and texts go to and from ", open,
                                    " without TLS: whoever is on the way can read them; see "
                                    "--tls-cert"));
  }
  if (!IsLoopback(options.peer_listen) && options.tls.peer_certificate.empty()) {
    warnings.push_back(absl::StrCat("whoever reaches ", options.peer_listen,
                                    " can speak to this node as another node does, and whoever is "
                                    "on the way reads everything; see --peer-tls-cert"));
  }
  return warnings;
}

}  // namespace coterie::bin
