#include "errors/connecting.h"

#include <string_view>

namespace coterie::errors {

std::string LastErrorIn(const std::string& message) {
  constexpr std::string_view kBegin = "last error: ";
  std::size_t begin = message.find(kBegin);
  if (begin == std::string::npos) return "";
  begin += kBegin.size();
  for (const std::string_view skipped : {"", "ipv4:", "ipv6:"}) {
    const std::size_t end = message.find(": ", begin);
    if (end != std::string::npos && message.compare(begin, skipped.size(), skipped) == 0) {
      begin = end + 2;
    }
  }
  return message.substr(begin);
}

}  // namespace coterie::errors
