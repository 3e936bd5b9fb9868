#pragma once

// What the flags of coterie-node say, checked. Functions of their input and, for a language that is
// asked for, of the dictionaries that are installed.

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "raft/configuration.h"
#include "rpc/tls.h"

namespace coterie::bin {

struct NodeOptions {
  std::uint64_t id = 0;
  std::uint64_t cluster_id = 0;
  std::string data_path;
  std::string listen;
  std::string peer_listen;
  std::string advertise;
  std::string peer_advertise;
  std::vector<raft::Member> founders;
  bool joins = false;
  std::string restore_from;  // A backup that the founders begin with.
  bool is_secure = false;
  std::string admin;        // Made if there is no user yet; its password is in COTERIE_PASSWORD.
  std::string http_listen;  // Empty = no HTTP port.
  std::size_t http_threads = 2;
  std::vector<std::string> http_origins;
  std::vector<std::string> http_hosts;
  std::size_t http_sockets_per_address = 1'024;
  std::vector<std::string> http_trusted_proxies;
  bool has_open_metrics = false;
  std::string web_root;
  std::string control;  // Of `coterie up`: where pages may stop and start nodes.
  rpc::TlsFiles tls;
  std::vector<std::string> llm_addresses;       // Of servers of a language model.
  std::string language = "en_US";               // Of the built-in assistant's dictionary.
  bool is_language_asked_for = false;           // Else there may be no dictionary of it.
  std::uint64_t user_calls_per_second = 5'000;  // 0 = no limit.
  std::uint64_t election_timeout_ms = 200;
  std::string log_level = "info";
};

// "ID=PEER_ADDRESS=CLIENT_ADDRESS".
absl::StatusOr<raft::Member> ParseFounder(const std::string& text);
// What does not fit together, as one sentence with what to do.
absl::Status CheckOptions(const NodeOptions& options);
// What in good options leaves the node, or what goes to it, open to strangers: a sentence each.
std::vector<std::string> WarningsOf(const NodeOptions& options);

}  // namespace coterie::bin
