#pragma once

// Files and directories of the machine, by POSIX calls. See file.h for the contract.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "io/file.h"

namespace coterie::io {

// Opens the existing folder `path`. kNotFound if there is none.
absl::StatusOr<std::unique_ptr<Directory>> OpenPosixDirectory(const std::string& path);

// Makes the folder `path`, and those above it, where they are missing. Their names are durable
// then: what is synced in them later would be lost with a name that was not.
absl::Status MakeFolders(const std::string& path);

}  // namespace coterie::io
