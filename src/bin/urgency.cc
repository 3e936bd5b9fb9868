#include "bin/urgency.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace coterie::bin {
namespace {

// As sched_setattr(2) has it: glibc 2.36 has neither the struct nor the function, and Linux's own
// header does not go together with glibc's.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // Nanoseconds; for SCHED_OTHER a slice's length.
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);  // The first version's.

// Since Linux 6.6 who wakes up waits until the one that runs has had its slice, however nice that
// is; since 6.12 not if the own slice is shorter (EEVDF; PREEMPT_SHORT in kernel/sched/features.h).
// So this process takes slices of twice the usual length, and a node's thread has the processor at
// once. No longer ones: threads that compute together wait for each other by spinning. Older
// kernels tell no length; CFS went by niceness, and needs nothing.
void TakeLongSlices() {
  SchedulingAttributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER || attributes.runtime == 0) return;
  attributes.runtime *= 2;
  static_cast<void>(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

// Where sessions are scheduled as groups (kernel.sched_autogroup_enabled), niceness counts within
// the session only; a daemon is alone in its own. The group has a niceness, too.
void LowerSession(int nice) {
  if (getsid(0) != getpid()) return;
  std::ofstream("/proc/self/autogroup") << nice;
}

}  // namespace

bool BecomeLessUrgent(int nice) {
  if (setpriority(PRIO_PROCESS, 0, nice) != 0) return false;
  if (nice == 0) return true;
  TakeLongSlices();
  LowerSession(nice);
  return true;
}

}  // namespace coterie::bin
