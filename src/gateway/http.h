#pragma once

// A request and an answer of HTTP as the handlers see them, without Beast. Pure values.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/blob.h"
#include "gateway/request_target.h"

namespace coterie::gateway {

struct HttpRequest {
  std::string method;
  RequestTarget target;
  std::string host;
  std::string origin;
  std::string visitor;  // Whose it counts as; rpc::CountedAs().
  std::string authorization;
  std::string content_type;
  std::string content_encoding;
  std::string accept_encoding;
  std::string if_none_match;
  std::string connect_protocol_version;
  std::string connect_timeout_ms;
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  Blob body;
};

// An answer without a known end, in pieces. The connection's shard.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // `done` runs when the piece is written and the next may come; not at all if the client has gone.
  virtual void Write(std::string piece, std::function<void()> done) = 0;
  virtual void End() = 0;
};

HttpResponse TextResponse(int status, std::string text);
HttpResponse JsonResponse(int status, std::string json);

}  // namespace coterie::gateway
