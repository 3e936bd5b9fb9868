#pragma once

// The file of a backup: a line that says so, a line of JSON that says of what, the state as nodes
// send it to each other, and at the end the SHA-256 of all that, as a line of hexadecimal. What the
// state holds is not looked into here. One owner each.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

namespace coterie::backup {

struct Header {
  std::uint64_t cluster_id = 0;
  std::uint64_t revision = 0;     // Everything up to here is in it, and nothing else.
  std::uint64_t taken_at_ms = 0;  // By the wall clock of the node.
  std::uint64_t state_bytes = 0;
};

class Hash;

// Makes the bytes of a file, in order: Head(), every piece of the state given to Add(), Tail().
class Encoder {
 public:
  explicit Encoder(const Header& header);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::string Head();
  void Add(std::string_view state_bytes);
  std::string Tail();

 private:
  const Header header_;
  std::unique_ptr<Hash> hash_;
};

// Reads a file once, from its beginning to its end.
class Reader {
 public:
  // kNotFound, kPermissionDenied; kInvalidArgument: it is no backup, or of a version that is not
  // known; kDataLoss: not even its beginning is whole.
  static absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path);
  ~Reader();

  const Header& header() const { return header_; }
  // The next piece of the state; empty after the last one. kDataLoss: the file is cut off, goes on
  // behind its end, or is not what was written; that is known only when all has been read.
  absl::StatusOr<std::string> Next();

 private:
  Reader(std::string path, std::ifstream file);
  absl::Status ReadHeader();
  absl::Status CheckTail();

  const std::string path_;
  std::ifstream file_;
  Header header_;
  std::uint64_t left_ = 0;
  std::unique_ptr<Hash> hash_;
};

// Reads all of a file. As Reader.
absl::StatusOr<Header> Verify(const std::string& path);

}  // namespace coterie::backup
