#pragma once

// Whether what is said at an address stays on this machine. Pure.

#include <string_view>

namespace coterie::bin {

// "host:port".
inline bool IsLoopback(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]:");
}

}  // namespace coterie::bin
