// Only in builds for ThreadSanitizer. Debian's gRPC is not instrumented, and hands what is to be
// done from thread to thread without locks, so the sanitizer does not see what that orders. What
// gRPC promises is: whatever comes before a batch of operations is begun, and what is done to end
// it, comes before its end is told, and that is told by the tag of the batch (grpc.h,
// grpc_call_start_batch). These definitions come before those of the library, tell the sanitizer
// just that, and call on. As in tsan_mutex.cc, nothing here changes what is done.
//
// The callback API rests on the same: a thread of libgrpc++ takes the tags of all its calls by
// grpc_completion_queue_next (completion_queue_cc.cc, CallbackAlternativeCQ; gRPC 1.51), and runs
// their reactions. A server's call counts who still holds it; who gives it up last has it done with
// (server_callback.h). Some give it up in the library, where the sanitizer does not see the count.

#include <dlfcn.h>

#include <cstddef>
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

// A gpr_timespec, passed in two registers.
struct Deadline {
  std::uint64_t first;
  std::uint64_t second;
};
// A grpc_event: a grpc_completion_type, an int, and the tag.
struct Event {
  std::int32_t type;
  std::int32_t success;
  void* tag;
};
constexpr std::int32_t kOpComplete = 2;  // GRPC_OP_COMPLETE

char server_starts = 0;  // Only its address counts.

Event Acquired(const Event& event) {
  __tsan_acquire(&server_starts);
  if (event.type == kOpComplete) __tsan_acquire(event.tag);
  return event;
}

}  // namespace

// What comes before a server's start comes before what it is asked.
extern "C" void grpc_server_start(void* server) {
  static auto* const next = Next<void(void*)>("grpc_server_start");
  __tsan_release(&server_starts);
  next(server);
}

extern "C" int grpc_call_start_batch(void* call, const void* operations, std::size_t count,
                                     void* tag, void* reserved) {
  static auto* const next =
      Next<int(void*, const void*, std::size_t, void*, void*)>("grpc_call_start_batch");
  __tsan_release(tag);
  return next(call, operations, count, tag, reserved);
}

// grpc_cq_end_op: whoever ends the batch has its tag told. The status is passed by its address.
#define END_OP                                                                  \
  "_Z14grpc_cq_end_opP21grpc_completion_queuePvN4absl7debian36StatusEPFvS1_P18" \
  "grpc_cq_completionES1_S6_b"
extern "C" void TsanEndOp(void* queue, void* tag, void* status, void (*done)(void*, void*),
                          void* argument, void* storage, bool is_internal) __asm__(END_OP);
extern "C" void TsanEndOp(void* queue, void* tag, void* status, void (*done)(void*, void*),
                          void* argument, void* storage, bool is_internal) {
  static auto* const next =
      Next<void(void*, void*, void*, void (*)(void*, void*), void*, void*, bool)>(END_OP);
  __tsan_release(tag);
  next(queue, tag, status, done, argument, storage, is_internal);
}

extern "C" Event grpc_completion_queue_next(void* queue, Deadline deadline, void* reserved) {
  static auto* const next = Next<Event(void*, Deadline, void*)>("grpc_completion_queue_next");
  return Acquired(next(queue, deadline, reserved));
}

extern "C" Event grpc_completion_queue_pluck(void* queue, void* tag, Deadline deadline,
                                             void* reserved) {
  static auto* const next =
      Next<Event(void*, void*, Deadline, void*)>("grpc_completion_queue_pluck");
  return Acquired(next(queue, tag, deadline, reserved));
}

// How grpc::internal::ServerCallbackCall begins.
struct ServerCall {
  void* functions;
  std::int32_t cancel_conditions;
  std::int32_t holds;
};
// ServerCallbackCall::ScheduleOnDone(bool): nobody holds it any more.
extern "C" void TsanScheduleOnDone(ServerCall* call, bool is_inline) __asm__(
    "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
extern "C" void TsanScheduleOnDone(ServerCall* call, bool is_inline) {
  static auto* const next =
      Next<void(ServerCall*, bool)>("_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  __tsan_acquire(&call->holds);
  next(call, is_inline);
}
