#include "bin/urgency.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace coterie::bin {
namespace {

// Where sessions are scheduled as groups (kernel.sched_autogroup_enabled), niceness counts within
// the session only; a daemon is alone in its own. The group has a niceness, too.
void LowerSession(int nice) {
  if (getsid(0) != getpid()) return;
  std::ofstream("/proc/self/autogroup") << nice;
}

}  // namespace

bool BecomeLessUrgent(int nice) {
  if (setpriority(PRIO_PROCESS, 0, nice) != 0) return false;
  if (nice != 0) LowerSession(nice);
  return true;
}

}  // namespace coterie::bin
