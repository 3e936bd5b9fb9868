#pragma once

// On whose behalf a call comes: by this those who wait take turns. Pure.

#include <string>

namespace coterie::llm {

// What the request says, or the connection's other end as gRPC names it, "ipv4:10.0.0.7:41234":
// without the port, which is another one for each connection.
inline std::string ClientName(const std::string& said, const std::string& peer) {
  return said.empty() ? peer.substr(0, peer.rfind(':')) : said;
}

}  // namespace coterie::llm
