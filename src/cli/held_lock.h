#pragma once

// A document's lock for the length of one command: taken if this session does not hold it yet, and
// then given back; one that the session held before stays. Main thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>

#include "cli/invocation.h"

namespace coterie::cli {

// Locks; when somebody else holds it, or the nodes are away, tries again until `wait` is over.
// kFailedPrecondition = locked.
absl::StatusOr<v1::LockDocumentResponse> TakeLock(Invocation& cli, const v1::DocumentRef& document,
                                                  absl::Duration ttl, absl::Duration wait);

class HeldLock {
 public:
  static absl::StatusOr<HeldLock> Take(Invocation& cli, const v1::DocumentRef& document,
                                       absl::Duration ttl, absl::Duration wait);
  // Not shared with other processes of this session either, which Take() lets in: of those that
  // call this at once, one gets it. kFailedPrecondition if this session holds it already.
  static absl::StatusOr<HeldLock> TakeAlone(Invocation& cli, const v1::DocumentRef& document,
                                            absl::Duration ttl, absl::Duration wait);

  std::uint64_t token() const { return token_; }
  // Unlocks what Take() locked. An error is only said: the lock ends by itself.
  void Release(Invocation& cli);

 private:
  HeldLock(v1::DocumentRef document, std::uint64_t token, bool was_held)
      : document_(std::move(document)), token_(token), was_held_(was_held) {}

  v1::DocumentRef document_;
  std::uint64_t token_;
  bool was_held_;
};

// "30s", "5m", "1h30m"; "0" is zero. kInvalidArgument with the flag's name.
absl::StatusOr<absl::Duration> ParseDuration(const std::string& flag, const std::string& text);

}  // namespace coterie::cli
