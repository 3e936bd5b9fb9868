#pragma once

// The node's HTTP port, for browsers and everything else that speaks no gRPC: y-websocket at
// /yjs/DOCUMENT, Hocuspocus at /hocuspocus, coterie.v1 over the Connect protocol, /healthz,
// /readyz, /metrics, and the web app. docs/gateway.md is what users are told.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/limits.h"
#include "rpc/server.h"

namespace coterie::gateway {

enum class OpenMetrics : std::uint8_t { kToSessions, kToAnyone };

struct Options {
  std::string listen;  // "host:port".
  std::size_t threads = 2;
  std::vector<std::string> origins;  // Of pages on other hosts that may use this node; "*" = any.
  std::vector<std::string> hosts;    // Names that it is called by, beside addresses and localhost.
  std::string web_root;              // Empty = no web app.
  std::string control;               // Of the launcher of a local cluster; see static_files.h.
  std::string tls_certificate;       // Files of PEM; empty = no TLS.
  std::string tls_key;
  OpenMetrics open_metrics = OpenMetrics::kToSessions;
  std::size_t sockets_max = kSocketsMax;
  std::size_t sockets_per_address_max = kSocketsPerAddressMax;
  absl::Duration silent_max = kSilentMax;    // Of a WebSocket that is listened to.
  absl::Duration stalled_max = kStalledMax;  // Of who is answered by a stream and takes nothing.
  absl::Duration body_max = kBodyTimeout;    // For a request's body, and for its answer.
  absl::Duration large_message_max = kLargeMessageTimeout;
  std::size_t event_bytes_max = kEventBytesMax;
  std::vector<std::string> trusted_proxies;  // Addresses and networks; see visitor.h.
};

class Gateway {
 public:
  // `faces` live until the gateway is destroyed. kUnavailable: the address cannot be listened at.
  // kInvalidArgument: certificate or key. kNotFound: the web app.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const rpc::Faces& faces,
                                                        const Options& options);
  // Requires Stop(), and that the node is gone: it answers who still waits.
  ~Gateway();

  // What `listen` said, or what the system chose for port 0.
  int port() const;

  // Takes no new connection, sends all sockets to other nodes, and is done by `deadline`. Before
  // the server is stopped.
  void Stop(absl::Time deadline);

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::gateway
