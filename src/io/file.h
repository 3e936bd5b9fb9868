#pragma once

// Files and directories as the log needs them: one of the four seams with the world. The POSIX form
// is in posix_file.h; io/faulty_file.h (tests and the simulator) crashes, tears and forgets.
// Threads: each File has one owner. Errors: kUnavailable = the device said EIO; kResourceExhausted
// = no space; kNotFound; kInternal = any other errno, in the text.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::io {

class File {
 public:
  virtual ~File() = default;
  // Reads up to `size` bytes at `offset`; fewer only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<std::string> Read(std::uint64_t offset,
                                                         std::size_t size) = 0;
  // Writes all of `bytes` or fails; what a failed write left is unknown.
  [[nodiscard]] virtual absl::Status Write(std::uint64_t offset, std::string_view bytes) = 0;
  // fdatasync: the data and the size. After a failure the file's state is unknown and the process
  // must not trust a retry (Rebello et al., ATC 2020).
  [[nodiscard]] virtual absl::Status Sync() = 0;
  [[nodiscard]] virtual absl::StatusOr<std::uint64_t> Size() = 0;
  [[nodiscard]] virtual absl::Status Truncate(std::uint64_t size) = 0;
};

enum class OpenMode : std::uint8_t { kMustExist, kCreate };

// One flat directory. Names hold no slash.
class Directory {
 public:
  virtual ~Directory() = default;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<File>> Open(std::string_view name,
                                                                   OpenMode mode) = 0;
  // Sorted names of the files within.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  [[nodiscard]] virtual absl::Status Rename(std::string_view source, std::string_view target) = 0;
  [[nodiscard]] virtual absl::Status Remove(std::string_view name) = 0;
  // Makes creations, renames and removals durable.
  [[nodiscard]] virtual absl::Status Sync() = 0;
  [[nodiscard]] virtual absl::StatusOr<std::uint64_t> FreeBytes() = 0;
};

}  // namespace coterie::io
