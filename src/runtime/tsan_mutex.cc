// Only in builds for ThreadSanitizer. Debian's Abseil is not instrumented, so the sanitizer does
// not see what an absl::Mutex orders and reports every use of one as a race; likewise what shares
// an absl::Status. These definitions come before those of the library, tell the sanitizer, and call
// on. Nothing here changes what a mutex does.

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <dlfcn.h>

#include <cstdint>

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace {

template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// A call that takes the lock, one that gives it back, and one that waits: gives back and takes.
#define TAKES(name, symbol)                              \
  extern "C" void name(void* mutex) __asm__(symbol);     \
  extern "C" void name(void* mutex) {                    \
    static auto* const next = Next<void(void*)>(symbol); \
    next(mutex);                                         \
    __tsan_acquire(mutex);                               \
  }
#define GIVES(name, symbol)                              \
  extern "C" void name(void* mutex) __asm__(symbol);     \
  extern "C" void name(void* mutex) {                    \
    static auto* const next = Next<void(void*)>(symbol); \
    __tsan_release(mutex);                               \
    next(mutex);                                         \
  }
#define TRIES(name, symbol)                              \
  extern "C" bool name(void* mutex) __asm__(symbol);     \
  extern "C" bool name(void* mutex) {                    \
    static auto* const next = Next<bool(void*)>(symbol); \
    const bool is_taken = next(mutex);                   \
    if (is_taken) __tsan_acquire(mutex);                 \
    return is_taken;                                     \
  }

TAKES(TsanMutexLock, "_ZN4absl7debian35Mutex4LockEv")
GIVES(TsanMutexUnlock, "_ZN4absl7debian35Mutex6UnlockEv")
TAKES(TsanMutexReaderLock, "_ZN4absl7debian35Mutex10ReaderLockEv")
GIVES(TsanMutexReaderUnlock, "_ZN4absl7debian35Mutex12ReaderUnlockEv")
TRIES(TsanMutexTryLock, "_ZN4absl7debian35Mutex7TryLockEv")
TRIES(TsanMutexReaderTryLock, "_ZN4absl7debian35Mutex13ReaderTryLockEv")

// Durations and times are 16 bytes of trivial classes: passed in two registers.
struct TwoWords {
  std::uint64_t first;
  std::uint64_t second;
};

// A condition that is asked, by whichever thread, while the lock is held.
struct Asked {
  void* mutex;
  const absl::Condition* condition;
};
bool Ask(Asked* asked) {
  __tsan_acquire(asked->mutex);
  const bool is_true = asked->condition->Eval();
  __tsan_release(asked->mutex);
  return is_true;
}

// Mutex::Await(condition) and its forms with an end.
extern "C" void TsanAwait(void* mutex, const absl::Condition* condition) __asm__(
    "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
extern "C" void TsanAwait(void* mutex, const absl::Condition* condition) {
  static auto* const next =
      Next<void(void*, const absl::Condition*)>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  Asked asked{mutex, condition};
  const absl::Condition asking(&Ask, &asked);
  __tsan_release(mutex);
  next(mutex, &asking);
  __tsan_acquire(mutex);
}
#define AWAITS(name, symbol)                                                               \
  extern "C" bool name(void* mutex, const absl::Condition* condition,                      \
                       TwoWords until) __asm__(symbol);                                    \
  extern "C" bool name(void* mutex, const absl::Condition* condition, TwoWords until) {    \
    static auto* const next = Next<bool(void*, const absl::Condition*, TwoWords)>(symbol); \
    Asked asked{mutex, condition};                                                         \
    const absl::Condition asking(&Ask, &asked);                                            \
    __tsan_release(mutex);                                                                 \
    const bool is_true = next(mutex, &asking, until);                                      \
    __tsan_acquire(mutex);                                                                 \
    return is_true;                                                                        \
  }
AWAITS(TsanAwaitTimeout, "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE")
AWAITS(TsanAwaitDeadline, "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE")

// HasBeenNotified() is inlined from the header: a load of the flag that the library stores.
struct Notified {
  void* mutex;
  bool flag;
};
static_assert(sizeof(Notified) == sizeof(absl::Notification));
extern "C" void TsanNotify(Notified* notification) __asm__(
    "_ZN4absl7debian312Notification6NotifyEv");
extern "C" void TsanNotify(Notified* notification) {
  static auto* const next = Next<void(Notified*)>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(notification);
  __tsan_release(&notification->flag);
  next(notification);
}
TAKES(TsanWaitForNotification, "_ZNK4absl7debian312Notification19WaitForNotificationEv")
#define NOTIFIED(name, symbol)                                              \
  extern "C" bool name(void* notification, TwoWords until) __asm__(symbol); \
  extern "C" bool name(void* notification, TwoWords until) {                \
    static auto* const next = Next<bool(void*, TwoWords)>(symbol);          \
    const bool is_notified = next(notification, until);                     \
    if (is_notified) __tsan_acquire(notification);                          \
    return is_notified;                                                     \
  }
NOTIFIED(TsanNotifiedByTimeout,
         "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE")
NOTIFIED(TsanNotifiedByDeadline,
         "_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE")

// CondVar::Wait(mutex) and its forms with an end.
extern "C" void TsanWait(void* variable,
                         void* mutex) __asm__("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
extern "C" void TsanWait(void* variable, void* mutex) {
  static auto* const next = Next<void(void*, void*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  next(variable, mutex);
  __tsan_acquire(mutex);
}
#define WAITS(name, symbol)                                                          \
  extern "C" bool name(void* variable, void* mutex, TwoWords until) __asm__(symbol); \
  extern "C" bool name(void* variable, void* mutex, TwoWords until) {                \
    static auto* const next = Next<bool(void*, void*, TwoWords)>(symbol);            \
    __tsan_release(mutex);                                                           \
    const bool is_over = next(variable, mutex, until);                               \
    __tsan_acquire(mutex);                                                           \
    return is_over;                                                                  \
  }
WAITS(TsanWaitTimeout, "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE")
WAITS(TsanWaitDeadline, "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE")

// Status::UnrefNonInlined(rep): counts down who shares it; the last one destroys it. All have told
// what they did with it before, and the last one has heard it. The lock, which the sanitizer does
// not see, keeps telling and counting together, so that nobody else's hearing is as good.
namespace {

bool is_counting = false;

__attribute__((no_sanitize_thread)) void LockCounting() {
  while (__atomic_test_and_set(&is_counting, __ATOMIC_ACQUIRE)) continue;
}
__attribute__((no_sanitize_thread)) void UnlockCounting() {
  __atomic_clear(&is_counting, __ATOMIC_RELEASE);
}

}  // namespace

extern "C" void TsanUnref(void* shared) __asm__("_ZN4absl7debian36Status15UnrefNonInlinedEm");
extern "C" void TsanUnref(void* shared) {
  static auto* const next = Next<void(void*)>("_ZN4absl7debian36Status15UnrefNonInlinedEm");
  LockCounting();
  __tsan_acquire(shared);
  __tsan_release(shared);
  next(shared);
  UnlockCounting();
}
