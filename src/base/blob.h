#pragma once

// Refcounted immutable bytes: the one thing that rooms and threads share. An entry's payload is one
// Blob from the proposal through the memory log, the wire encoder and the write-ahead log.
// Copying a Blob copies a pointer. Any thread.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace coterie {

class Blob {
 public:
  Blob() = default;  // Empty; owns nothing.
  explicit Blob(std::string bytes)
      : bytes_(bytes.empty() ? nullptr : std::make_shared<const std::string>(std::move(bytes))) {}

  // Valid while any copy of this Blob lives.
  std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  std::size_t size_bytes() const { return bytes_ ? bytes_->size() : 0; }
  bool empty() const { return bytes_ == nullptr; }

  // Equal bytes, not the same allocation.
  friend bool operator==(const Blob& a, const Blob& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace coterie
