#pragma once

// What an OpenAI-like server says in a streamed answer: server-sent events whose data is
// JSON, up to "[DONE]". Bytes go in as they come, in any pieces; texts come out. Pure.
// Source: the HTML standard, 9.2.6 (event streams); OpenAI's API reference, chat completion chunks.

#include <absl/status/status.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace coterie::llm {

class OpenAiStream {
 public:
  // A line that is longer is nobody's token.
  static constexpr std::size_t kLineBytesMax = 1 << 20;

  // What `bytes` bring of the answer goes to `text`. kInternal: they are no such stream;
  // kUnavailable: the server says in the stream that it failed.
  absl::Status Append(std::string_view bytes, std::string& text);

  // "[DONE]" has come, or the reason why the answer ended.
  bool is_done() const { return is_done_ || !reason_.empty(); }
  // "stop", "length" ...; empty if none was given.
  const std::string& reason() const { return reason_; }
  std::size_t chunks() const { return chunks_; }

 private:
  absl::Status TakeLine(std::string_view line, std::string& text);

  std::string line_;
  std::string reason_;
  bool is_done_ = false;
  std::size_t chunks_ = 0;
};

}  // namespace coterie::llm
