#pragma once

// One HTTP/1.1 request whose answer is read as it comes, with or without TLS. Blocks, and looks a
// few times a second whether it should give up. Any thread; one owner.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace coterie::llm {

struct HttpUrl {
  bool has_tls = false;
  std::string host;
  std::string port;
  std::string path;  // Without a slash at its end.
};
// "http://host[:port][/path]", or https. kInvalidArgument, with an example.
absl::StatusOr<HttpUrl> ParseUrl(const std::string& url);

struct HttpCall {
  HttpUrl url;
  std::string method;
  std::string target;  // Behind the URL's path.
  std::string body;    // JSON.
  // Secret: never part of an error.
  std::string bearer;
  // Without a byte for so long it is given up; so is connecting.
  absl::Duration silence_max;
  absl::Time deadline;
  std::function<bool()> is_cancelled;
};

struct HttpEnd {
  int status = 0;
  std::string retry_after;  // The header; empty if there is none.
  std::string body;         // Of an answer that is no success, its beginning.
};

// `on_bytes` gets what the body of a success (200) brings; an error of its ends the call.
// kUnavailable: cannot connect, no TLS, silent, broken off. kCancelled, kDeadlineExceeded.
absl::StatusOr<HttpEnd> RunHttp(const HttpCall& call,
                                const std::function<absl::Status(std::string_view)>& on_bytes);

}  // namespace coterie::llm
