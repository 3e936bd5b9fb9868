#include "gateway/request_target.h"

#include <absl/strings/ascii.h>

#include <algorithm>

#include "base/utf8.h"

namespace coterie::gateway {
namespace {

bool IsSame(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return absl::ascii_tolower(static_cast<unsigned char>(x)) ==
           absl::ascii_tolower(static_cast<unsigned char>(y));
  });
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum class Plus : std::uint8_t { kPlus, kBlank };

// As the URL standard has it: a % that begins no byte is one. Nothing: it is not UTF-8 then.
std::optional<std::string> Decode(std::string_view text, Plus plus) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kBlank) {
      decoded.push_back(' ');
      continue;
    }
    const bool may_be_byte = text[i] == '%' && i + 2 < text.size();
    const int high = may_be_byte ? HexDigit(text[i + 1]) : -1;
    const int low = may_be_byte ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      decoded.push_back(text[i]);
    } else {
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  if (!IsValidUtf8(decoded)) return std::nullopt;
  return decoded;
}

// "host:port", "[v6]:port" without the port.
std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with("[")) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool IsAddress(std::string_view host) {
  if (host.starts_with("[")) return true;
  return !host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool HasEqual(const std::vector<std::string>& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& entry) { return IsSame(entry, value); });
}

}  // namespace

std::optional<RequestTarget> ParseTarget(std::string_view target) {
  if (target.empty() || target[0] != '/') return std::nullopt;
  const std::size_t mark = target.find('?');
  std::optional<std::string> path = Decode(target.substr(0, mark), Plus::kPlus);
  if (!path) return std::nullopt;
  RequestTarget parsed{.path = *std::move(path), .query = {}};
  if (mark != std::string_view::npos) parsed.query = std::string(target.substr(mark + 1));
  return parsed;
}

std::optional<std::string> QueryParameter(std::string_view query, std::string_view name) {
  for (const std::string_view part : Split(query, '&')) {
    const std::size_t equals = part.find('=');
    if (part.substr(0, equals) != name) continue;
    if (equals == std::string_view::npos) return std::string();
    return Decode(part.substr(equals + 1), Plus::kBlank);
  }
  return std::nullopt;
}

bool IsHostAllowed(std::string_view host, const std::vector<std::string>& allowed) {
  const std::string_view name = WithoutPort(host);
  if (IsAddress(name) || IsSame(name, "localhost")) return true;
  return HasEqual(allowed, name) || HasEqual(allowed, host);
}

namespace {

// "http://localhost:*" is http://localhost with any port: digits alone, so that nothing else of an
// origin is left open.
bool MatchesAnyPort(std::string_view pattern, std::string_view origin) {
  if (!pattern.ends_with(":*")) return false;
  const std::string_view begin = pattern.substr(0, pattern.size() - 1);
  if (origin.size() <= begin.size() || !IsSame(origin.substr(0, begin.size()), begin)) return false;
  const std::string_view port = origin.substr(begin.size());
  return port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool IsOriginAllowed(std::string_view origin, std::string_view host,
                     const std::vector<std::string>& allowed) {
  if (origin.empty()) return true;
  if (HasEqual(allowed, "*") || HasEqual(allowed, origin)) return true;
  if (std::any_of(allowed.begin(), allowed.end(),
                  [&](const std::string& pattern) { return MatchesAnyPort(pattern, origin); })) {
    return true;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme) && IsSame(origin.substr(scheme.size()), host)) return true;
  }
  return false;
}

std::string TokenInProtocols(std::string_view protocols) {
  constexpr std::string_view kPrefix = "token.";
  for (std::string_view protocol : Split(protocols, ',')) {
    protocol = Trim(protocol);
    if (protocol.starts_with(kPrefix)) return std::string(protocol.substr(kPrefix.size()));
  }
  return {};
}

bool OffersProtocol(std::string_view protocols, std::string_view name) {
  const std::vector<std::string_view> offered = Split(protocols, ',');
  return std::any_of(offered.begin(), offered.end(),
                     [&](std::string_view protocol) { return Trim(protocol) == name; });
}

namespace {

// A quality of 0 refuses, RFC 9110 12.4.2: "q=0", "q=0.000".
bool IsRefused(std::string_view parameter) {
  return parameter.starts_with("q=0") &&
         parameter.find_first_of("123456789") == std::string_view::npos;
}

}  // namespace

bool AcceptsCoding(std::string_view accepted, std::string_view coding) {
  bool accepts_others = false;
  for (const std::string_view entry : Split(accepted, ',')) {
    const std::vector<std::string_view> parts = Split(entry, ';');
    const bool is_refused =
        std::any_of(parts.begin() + 1, parts.end(),
                    [](std::string_view parameter) { return IsRefused(Trim(parameter)); });
    const std::string_view name = Trim(parts[0]);
    if (IsSame(name, coding)) return !is_refused;
    if (name == "*") accepts_others = !is_refused;
  }
  return accepts_others;
}

bool ListsTag(std::string_view tags, std::string_view tag) {
  for (std::string_view each : Split(tags, ',')) {
    each = Trim(each);
    if (each.starts_with("W/")) each.remove_prefix(2);
    if (each == tag) return true;
  }
  return false;
}

}  // namespace coterie::gateway
