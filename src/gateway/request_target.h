#pragma once

// What the first line of a request and a few of its headers say: a path, percent-decoded, and a
// query; whether the Host is ours and the Origin one of those that may; what its lists name. Pure
// functions.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::gateway {

struct RequestTarget {
  std::string path;   // Decoded, valid UTF-8, begins with "/".
  std::string query;  // As it came.
};
// Empty if it is no path, or not UTF-8. A % that begins no byte is one.
std::optional<RequestTarget> ParseTarget(std::string_view target);
// The first parameter of that name, decoded; '+' is a blank. Empty if there is none.
std::optional<std::string> QueryParameter(std::string_view query, std::string_view name);

// Whether a request for `host` (the header) may be served: an IP address, localhost, or one of
// `allowed`. Anything else may be a page that has its own name point here (DNS rebinding).
bool IsHostAllowed(std::string_view host, const std::vector<std::string>& allowed);
// Whether a page of `origin` may use this node: one of the node's own (the same host), or one of
// `allowed`, where "*" is any, and "http://localhost:*" is that on any port. No origin = no page.
bool IsOriginAllowed(std::string_view origin, std::string_view host,
                     const std::vector<std::string>& allowed);

// The token that a client offers as a subprotocol "token.TOKEN" beside "coterie", for browsers that
// want it in neither the address nor a header. Empty if there is none.
std::string TokenInProtocols(std::string_view protocols);
bool OffersProtocol(std::string_view protocols, std::string_view name);

// Of Accept-Encoding, RFC 9110 12.5.3. `coding` is a name in small letters.
bool AcceptsCoding(std::string_view accepted, std::string_view coding);
// Of If-None-Match, RFC 9110 13.1.2: compared weakly, as whoever compresses on the way weakens
// tags.
bool ListsTag(std::string_view tags, std::string_view tag);

}  // namespace coterie::gateway
