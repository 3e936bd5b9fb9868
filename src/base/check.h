#pragma once

// CHECK stops the process when an invariant of our own does not hold; it stays on in release
// builds. DCHECK is for O(n) work and is on in debug builds only. Neither is for input: bytes from
// a socket or a disk are parsed to a value or an error. Names and meaning follow Abseil, so that a
// later swap is one line. Any thread.

namespace coterie {

// Prints "file:line: CHECK failed: expression" to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);

}  // namespace coterie

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::coterie::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
