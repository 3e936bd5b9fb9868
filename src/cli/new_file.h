#pragma once

// A file on its way: written beside its place under a name that nobody else has, and put there only
// when all of it is on the disk. What was there before stays whole until then, and stays if this
// fails. One owner.

#include <absl/status/status.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace coterie::cli {

class NewFile {
 public:
  enum class Access : std::uint8_t {
    kOwnerOnly,
    kUsual,  // As of the file in whose place it comes; for a new one what the umask allows.
  };

  NewFile() = default;
  // Without Commit() nothing remains.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // A link at `path` stays one: what it leads to is replaced.
  absl::Status Open(const std::string& path, Access access);
  absl::Status Write(std::string_view bytes);
  // Until the bytes are on the disk, where the file can be looked at before it is in its place.
  absl::Status Sync();
  // After Sync(). The new name is on the disk, too.
  absl::Status Commit();

  // Where it is until Commit().
  const std::string& path() const { return path_; }

 private:
  absl::Status Failed() const;

  std::string target_;
  std::string path_;
  int file_ = -1;  // -1 = not open, or in its place.
};

// All of `bytes` into an open file, pipe or device. The errno's code, for `what`.
absl::Status WriteAll(int file, std::string_view bytes, const std::string& what);

}  // namespace coterie::cli
