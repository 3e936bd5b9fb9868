#pragma once

// Files and directories of the machine, by POSIX calls. See file.h for the contract.

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "io/file.h"

namespace coterie::io {

// Opens the existing folder `path`. kNotFound if there is none.
absl::StatusOr<std::unique_ptr<Directory>> OpenPosixDirectory(const std::string& path);

}  // namespace coterie::io
