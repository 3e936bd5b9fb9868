#pragma once

// Bytes in hexadecimal, as captures write them. Pure functions.

#include <string>
#include <string_view>

namespace coterie::yproto {

inline std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

}  // namespace coterie::yproto
