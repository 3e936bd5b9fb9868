#pragma once

// What came of a command: the same on every node, and kept for retries. Pure values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace coterie::state {

enum class Code : std::uint8_t {
  kOk,
  kInvalidArgument,
  kUnauthenticated,   // No such session, or it is over.
  kPermissionDenied,  // Known and not allowed. Of a document that may not be seen: kNotFound.
  kNotFound,
  kAlreadyExists,
  kLocked,           // Somebody else holds the lock: see `lock`.
  kLockRequired,     // Needs the lock, and the caller has not taken it.
  kStaleToken,       // The lock was lost meanwhile: an older fencing token than the lock's.
  kExhausted,        // A limit, named in `message`.
  kOutOfRange,       // A position or a revision that is not there.
  kForgotten,        // A retry so late that the first outcome is no longer kept. Nothing was done.
  kStaleSuggestion,  // The text is no longer what a suggestion was made for.
  kTooMuchWork,      // Given up after the most work that may be spent on one; see `message`.
};

struct LockView {
  DocId doc;
  std::string document_name;
  SessionId session;
  std::string holder;  // User name.
  FencingToken token;
  Revision renewed;
  std::uint64_t ttl_ms = 0;         // 0 = bound to the session's lease.
  std::uint64_t expires_at_ms = 0;  // Wall time, for display. 0 when bound to the lease.
};

struct Outcome {
  Code code = Code::kOk;
  std::string message;           // What, why and what to do; empty when OK.
  Revision revision;             // Of the command itself; of a duplicate, of the first one.
  DocId doc;                     // CreateDocument.
  SessionId session;             // Login.
  FencingToken token;            // Lock.
  std::optional<LockView> lock;  // kLocked, kLockRequired with another holder, Lock.
  // ApplyUpdates: of each part, in their order. Not encoded: each is kept under its own request.
  std::vector<Outcome> parts;

  bool ok() const { return code == Code::kOk; }
};

std::string EncodeOutcome(const Outcome& outcome);
std::optional<Outcome> DecodeOutcome(std::string_view bytes);

}  // namespace coterie::state
