#include "bin/node_options.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <charconv>

namespace coterie::bin {
namespace {

constexpr std::uint64_t kElectionTimeoutMsMin = 50;
constexpr std::uint64_t kElectionTimeoutMsMax = 60'000;
constexpr std::size_t kHttpThreadsMax = 64;
constexpr std::size_t kLlmServersMax = 16;

bool IsAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || text.size() > raft::kAddressBytesMax) {
    return false;
  }
  std::uint32_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, port);
  return error == std::errc() && rest == end && port > 0 && port <= 65'535;
}

absl::Status CheckAddress(const char* flag, const std::string& address) {
  if (IsAddress(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", address,
                   ": not HOST:PORT with a port of 1 to 65535, for example 127.0.0.1:50053"));
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
  status.Update(CheckAddress("--advertise", options.advertise));
  status.Update(CheckAddress("--peer-advertise", options.peer_advertise));
  if (options.election_timeout_ms < kElectionTimeoutMsMin ||
      options.election_timeout_ms > kElectionTimeoutMsMax) {
    status.Update(absl::InvalidArgumentError("--election-timeout-ms: must be 50 to 60000"));
  }
  status.Update(CheckHttp(options));
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

}  // namespace coterie::bin
