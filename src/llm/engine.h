#pragma once

// Generates many answers at once with one model: the transport-free heart of coterie-llm. Requests
// wait in a bounded queue in which clients take turns; one thread, which owns the decoder, gives
// each a slot. A step of that thread decodes one token of every running answer in one batch, then
// one chunk of one new prompt, so that a newcomer does not stall the others. A slot keeps what it
// has computed, for the next prompt that begins alike. Nothing is ever shifted out of the context:
// what does not fit is refused.
//
// Submit(), Cancel() and the getters may be called by any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "io/clock.h"
#include "llm/decoder.h"
#include "llm/fair_queue.h"
#include "llm/metrics.h"
#include "llm/model.h"
#include "llm/request.h"
#include "llm/slot.h"

namespace coterie::llm {

struct EngineOptions {
  std::uint32_t context =
      4'096;  // Tokens of prompt and answer; at most what the model was made for.
  std::uint32_t slots = 4;
  std::uint32_t threads = 1;
  std::uint32_t poll = 50;
  absl::Duration yield_every;                           // See scheduling_points.h; zero: never.
  absl::Duration tell_every = absl::Milliseconds(250);  // Places and prompts, at most.
  std::size_t waiting_max = 64;
  std::size_t waiting_per_client_max = 16;
  // An answer whose grammar makes one token take longer than this is ended.
  absl::Duration grammar_token_max = absl::Seconds(5);
  std::uint64_t seed = 0;  // Of the answers that ask for none.
};

class Engine {
 public:
  // kResourceExhausted: not enough memory. `model` and `clock` must outlive the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(const Model& model,
                                                       const EngineOptions& options,
                                                       const io::Clock& clock);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Calls `on_event` from now on, until the last event. kInvalidArgument: a value out of range, a
  // bad grammar, or more than the context holds; kResourceExhausted: the queue is full, see
  // RetryAfter(); kUnavailable: stopping. Then `on_event` is never called.
  absl::StatusOr<JobId> Submit(Request request, OnEvent on_event);
  // Ends it with kCancelled, unless it has ended. No token is computed for it after the decode step
  // that is running, and that one is given up if it is for nobody else.
  void Cancel(JobId id);

  // Refuses what comes from now on, lets what is here finish until `deadline`, ends the rest with
  // kUnavailable, and the thread. Once.
  void Stop(absl::Time deadline);

  std::uint32_t context() const { return context_; }
  const EngineOptions& options() const { return options_; }
  MetricsView metrics() const;
  // When a slot should have become free for one more, judging by the last answers.
  absl::Duration RetryAfter() const;

 private:
  Engine(const Model& model, const EngineOptions& options, const io::Clock& clock);

  absl::Status CheckRequest(const Request& request) const;

  // --- The engine's thread ---
  void Run();
  bool WaitForWork();  // False = stop.
  void Admit();
  std::uint64_t TellEveryMicros() const;
  void TellPlaces();
  void Assign(std::shared_ptr<Job> job);
  void Step();
  void EndCancelled();
  void DecodeShared();
  void DecodeAlone(Slot& slot);
  void DecodePromptChunk();
  Slot* NextPrompt();
  void TellReading(Job& job, std::size_t read_tokens);
  // Runs the batch that was made of `slots`; false if it was given up or failed.
  bool Decode(const std::vector<Slot*>& slots);
  void TakeToken(Slot& slot, std::size_t entry);
  void Finish(Slot& slot, FinishReason reason);
  void Fail(Slot& slot, absl::Status error);
  void Release(Slot& slot);
  bool IsCancelled(JobId id);
  bool IsBatchForNobody();

  bool HasReasonToWake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return waiting_.size() > 0 || is_closed_;
  }
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return waiting_.size() == 0 && running_.empty();
  }

  const Model& model_;
  const EngineOptions options_;
  const io::Clock& clock_;
  std::uint32_t context_ = 0;

  mutable absl::Mutex mutex_;
  FairQueue<std::shared_ptr<Job>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::set<JobId> running_ ABSL_GUARDED_BY(mutex_);    // At most one a slot.
  std::set<JobId> cancelled_ ABSL_GUARDED_BY(mutex_);  // Of running_.
  Prng prng_ ABSL_GUARDED_BY(mutex_);
  JobId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ends_now_ ABSL_GUARDED_BY(mutex_) = false;  // The drain's deadline has passed.
  Metrics metrics_ ABSL_GUARDED_BY(mutex_);

  // The engine's thread only.
  std::unique_ptr<Decoder> decoder_;
  std::vector<Slot> slots_;
  std::vector<Slot*> batch_;  // Whose tokens the decoder is working on.
  std::size_t next_prompt_ = 0;
  std::uint64_t uses_ = 0;
  std::uint64_t told_places_micros_ = 0;

  std::thread thread_;  // Last: it uses all the others.
};

}  // namespace coterie::llm
