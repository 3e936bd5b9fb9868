#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace coterie {

void CheckFailed(const char* file, int line, const char* expression) {
  // One call, so that the lines of two dying threads do not mix.
  static_cast<void>(std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, expression));
  std::abort();
}

}  // namespace coterie
