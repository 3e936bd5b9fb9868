#include "llm/engine.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "llm/placement.h"
#include "llm/scheduling_points.h"
#include "llm/waited_time.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr absl::Duration kRetryAfterMin = absl::Milliseconds(500);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(60);

absl::Status Stopping() {
  return absl::UnavailableError("the LLM server is stopping; ask again, or ask another one");
}
absl::Status Cancelled() { return absl::CancelledError("the request was cancelled"); }

}  // namespace

// --- Any thread ---

Engine::Engine(const Model& model, const EngineOptions& options, const io::Clock& clock)
    : model_(model),
      options_(options),
      clock_(clock),
      waiting_(options.waiting_max, options.waiting_per_client_max),
      prng_(options.seed),
      slots_(options.slots) {
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].sequence = i;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(const Model& model,
                                                      const EngineOptions& options,
                                                      const io::Clock& clock) {
  CHECK(options.slots > 0);
  std::unique_ptr<Engine> engine(new Engine(model, options, clock));
  std::uint32_t context = options.context;
  if (model.trained_context() > 0) context = std::min(context, model.trained_context());
  const Decoder::Options decoder{
      .context = context,
      .sequences = options.slots,
      .threads = options.threads,
      .poll = options.poll,
      .batch_tokens_max = std::max<std::size_t>(kPromptChunk, options.slots)};
  Engine* self = engine.get();
  ASSIGN_OR_RETURN(engine->decoder_,
                   Decoder::Make(model, decoder, [self] { return self->IsBatchForNobody(); }));
  CHECK(engine->decoder_->context() >= context);
  engine->context_ = context;
  engine->thread_ = std::thread([self] { self->Run(); });
  return engine;
}

Engine::~Engine() {
  if (thread_.joinable()) Stop(absl::InfinitePast());
}

absl::Status Engine::CheckRequest(const Request& request) const {
  if (request.prompt.empty()) return absl::InvalidArgumentError("the prompt is empty");
  // Without a limit of its own an answer needs room for one token at least.
  const std::uint64_t answer = std::max(request.max_tokens, 1U);
  if (request.prompt.size() + answer > context_) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt has ", request.prompt.size(), " tokens and the answer may have ",
                     answer, ", but the context holds ", context_,
                     "; shorten the prompt, split it, or ask for a shorter answer"));
  }
  if (request.stops.size() > kStopsMax) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", kStopsMax, " stop strings"));
  }
  for (const std::string& stop : request.stops) {
    if (stop.empty() || stop.size() > kStopBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a stop string has 1 to ", kStopBytesMax, " bytes"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<JobId> Engine::Submit(Request request, OnEvent on_event) {
  RETURN_IF_ERROR(CheckRequest(request));
  std::uint32_t seed = 0;
  {
    absl::MutexLock lock(&mutex_);
    seed = static_cast<std::uint32_t>(prng_.Next());
  }
  ASSIGN_OR_RETURN(Sampler sampler, Sampler::Make(model_.vocab(), request, seed));
  const auto room = static_cast<std::uint32_t>(context_ - request.prompt.size());
  const std::uint32_t max_tokens =
      request.max_tokens > 0 ? request.max_tokens : std::min(kDefaultAnswerTokens, room);
  const std::string client = request.client;

  absl::MutexLock lock(&mutex_);
  if (is_closed_) return Stopping();
  const JobId id = last_id_ + 1;
  auto job = std::make_shared<Job>(id, std::move(request), std::move(on_event), std::move(sampler));
  job->max_tokens = max_tokens;
  job->arrived_micros = clock_.NowMicros();
  if (!waiting_.TryPush(client, std::move(job))) {
    ++metrics_.counters.refused;
    return absl::ResourceExhaustedError(
        absl::StrCat("the LLM server's queue is full: ", waiting_.size(),
                     " requests wait (at most ", options_.waiting_max, ", and ",
                     options_.waiting_per_client_max, " of one client); ask again later"));
  }
  last_id_ = id;
  return id;
}

void Engine::Cancel(JobId id) {
  std::shared_ptr<Job> waited;
  {
    absl::MutexLock lock(&mutex_);
    if (running_.contains(id)) {
      cancelled_.insert(id);
      return;
    }
    auto removed = waiting_.Remove([id](const std::shared_ptr<Job>& job) { return job->id == id; });
    if (!removed) return;
    waited = *std::move(removed);
    ++metrics_.counters.cancelled;
  }
  waited->on_event(Cancelled());
}

void Engine::Stop(absl::Time deadline) {
  CHECK(thread_.joinable());
  std::vector<std::shared_ptr<Job>> refused;
  {
    absl::MutexLock lock(&mutex_);
    is_closed_ = true;
    mutex_.AwaitWithDeadline(absl::Condition(this, &Engine::IsIdle), deadline);
    ends_now_ = true;
    while (auto job = waiting_.Pop()) refused.push_back(*std::move(job));
    metrics_.counters.failed += refused.size();
  }
  for (const std::shared_ptr<Job>& job : refused) job->on_event(Stopping());
  thread_.join();
}

MetricsView Engine::metrics() const {
  absl::MutexLock lock(&mutex_);
  MetricsView view;
  metrics_.FillIn(clock_.NowMicros(), view);
  view.active = running_.size();
  view.waiting = waiting_.size();
  view.is_stopping = is_closed_;
  return view;
}

absl::Duration Engine::RetryAfter() const {
  absl::MutexLock lock(&mutex_);
  const std::uint64_t rounds = waiting_.size() / options_.slots + 1;
  const auto micros = static_cast<std::int64_t>(metrics_.service_micros() * rounds);
  return std::clamp(absl::Microseconds(micros), kRetryAfterMin, kRetryAfterMax);
}

// --- The engine's thread ---

void Engine::Run() {
  const WaitedTime waited;
  SchedulingPoints points(options_.yield_every, [&waited] { return waited.Get(); });
  while (WaitForWork()) {
    const SchedulingPoints::Scope scope(points);
    EndCancelled();
    Admit();
    TellPlaces();
    Step();
  }
}

bool Engine::WaitForWork() {
  absl::MutexLock lock(&mutex_);
  if (running_.empty()) mutex_.Await(absl::Condition(this, &Engine::HasReasonToWake));
  return !(is_closed_ && IsIdle());
}

void Engine::Admit() {
  while (true) {
    const auto is_free = [](const Slot& slot) { return slot.job == nullptr; };
    if (std::none_of(slots_.begin(), slots_.end(), is_free)) return;
    std::shared_ptr<Job> job;
    {
      absl::MutexLock lock(&mutex_);
      std::optional<std::shared_ptr<Job>> next = waiting_.Pop();
      if (!next) return;
      job = *std::move(next);
      running_.insert(job->id);
    }
    Assign(std::move(job));
  }
}

std::uint64_t Engine::TellEveryMicros() const {
  return static_cast<std::uint64_t>(absl::ToInt64Microseconds(options_.tell_every));
}

// Those whose place has changed. Who waits does so behind running answers, so that this is asked
// again soon.
void Engine::TellPlaces() {
  const std::uint64_t now = clock_.NowMicros();
  if (now < told_places_micros_ + TellEveryMicros()) return;
  std::vector<std::pair<std::shared_ptr<Job>, std::size_t>> moved;
  {
    absl::MutexLock lock(&mutex_);
    std::size_t place = 0;
    waiting_.ForEachInTurn([&](const std::shared_ptr<Job>& job) {
      if (job->told_place != ++place) moved.emplace_back(job, place);
    });
  }
  if (moved.empty()) return;
  told_places_micros_ = now;
  for (const auto& [job, place] : moved) {
    job->told_place = place;
    job->on_event(Queued{place});
  }
}

void Engine::Assign(std::shared_ptr<Job> job) {
  std::vector<SlotView> views;
  views.reserve(slots_.size());
  for (const Slot& slot : slots_) {
    views.push_back({.cached = slot.cached,
                     .repeatable = slot.repeatable,
                     .cache_key = slot.cache_key,
                     .is_free = slot.job == nullptr,
                     .used_at = slot.used_at});
  }
  const Request& request = job->request;
  const Placement placement =
      Place(views, {.tokens = request.prompt,
                    .cache_key = request.cache_key,
                    .chunk = request.sampling.seed.has_value() ? kPromptChunk : 0});
  Slot& slot = slots_[placement.slot];
  CHECK(slot.job == nullptr);
  if (placement.copy_from) {
    const Slot& source = slots_[*placement.copy_from];
    decoder_->Copy(source.sequence, slot.sequence);
    slot.cached = source.cached;
    slot.repeatable = source.repeatable;
  }
  std::size_t reused = placement.reused;
  if (!decoder_->Truncate(slot.sequence, reused)) reused = 0;
  slot.cached.resize(reused);
  slot.repeatable = std::min(slot.repeatable, reused);
  slot.cache_key = request.cache_key;
  slot.used_at = ++uses_;
  job->assigned_micros = clock_.NowMicros();
  job->told_reading_micros = job->assigned_micros;
  const Started started{.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size()),
                        .cached_tokens = static_cast<std::uint32_t>(reused),
                        .queued_micros = job->assigned_micros - job->arrived_micros};
  {
    absl::MutexLock lock(&mutex_);
    metrics_.counters.prompt_tokens += started.prompt_tokens;
    metrics_.counters.cached_tokens += started.cached_tokens;
  }
  slot.job = std::move(job);
  slot.job->on_event(started);
}

void Engine::Step() {
  DecodeShared();
  for (Slot& slot : slots_) {
    if (slot.is_answering() && slot.is_alone()) DecodeAlone(slot);
  }
  DecodePromptChunk();
}

void Engine::EndCancelled() {
  bool ends_now = false;
  {
    absl::MutexLock lock(&mutex_);
    ends_now = ends_now_;
    if (!ends_now && cancelled_.empty()) return;
  }
  for (Slot& slot : slots_) {
    if (slot.job == nullptr) continue;
    if (ends_now) {
      Fail(slot, Stopping());
    } else if (IsCancelled(slot.job->id)) {
      Fail(slot, Cancelled());
    }
  }
}

// One token of every answer that need not be computed alone.
void Engine::DecodeShared() {
  decoder_->Clear();
  std::vector<Slot*> slots;
  for (Slot& slot : slots_) {
    if (!slot.is_answering() || slot.is_alone()) continue;
    decoder_->Add({slot.sequence, slot.job->next, slot.cached.size(), true});
    slots.push_back(&slot);
  }
  if (slots.empty() || !Decode(slots)) return;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i]->cached.push_back(slots[i]->job->next);
    TakeToken(*slots[i], i);
  }
}

void Engine::DecodeAlone(Slot& slot) {
  decoder_->Clear();
  decoder_->Add({slot.sequence, slot.job->next, slot.cached.size(), true});
  if (!Decode({&slot})) return;
  slot.cached.push_back(slot.job->next);
  TakeToken(slot, 0);
}

void Engine::DecodePromptChunk() {
  Slot* slot = NextPrompt();
  if (slot == nullptr) return;
  const std::vector<Token>& prompt = slot->job->request.prompt;
  const std::size_t begin = slot->cached.size();
  CHECK(begin < prompt.size());
  // Up to the next multiple of the chunk, so that what follows are whole chunks again.
  const std::size_t end = std::min(prompt.size(), (begin / kPromptChunk + 1) * kPromptChunk);
  decoder_->Clear();
  for (std::size_t i = begin; i < end; ++i) {
    decoder_->Add({slot->sequence, prompt[i], i, i + 1 == prompt.size()});
  }
  if (!Decode({slot})) return;
  slot->cached.insert(slot->cached.end(), prompt.begin() + static_cast<std::ptrdiff_t>(begin),
                      prompt.begin() + static_cast<std::ptrdiff_t>(end));
  const bool is_whole_chunk = end - begin == kPromptChunk;
  if (is_whole_chunk && slot->repeatable == begin) slot->repeatable = end;
  if (end == prompt.size()) return TakeToken(*slot, end - begin - 1);
  TellReading(*slot->job, end);
}

void Engine::TellReading(Job& job, std::size_t read_tokens) {
  const std::uint64_t now = clock_.NowMicros();
  if (now < job.told_reading_micros + TellEveryMicros()) return;
  job.told_reading_micros = now;
  job.on_event(Reading{static_cast<std::uint32_t>(read_tokens)});
}

// In turns, so that a long prompt does not hold up a short one.
Slot* Engine::NextPrompt() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[(next_prompt_ + i) % slots_.size()];
    if (!slot.is_prompting()) continue;
    next_prompt_ = (next_prompt_ + i + 1) % slots_.size();
    return &slot;
  }
  return nullptr;
}

bool Engine::Decode(const std::vector<Slot*>& slots) {
  batch_ = slots;
  const std::uint64_t begun = clock_.NowMicros();
  const absl::Status status = decoder_->Decode();
  batch_.clear();
  {
    absl::MutexLock lock(&mutex_);
    ++metrics_.counters.decode_steps;
    metrics_.counters.busy_micros += clock_.NowMicros() - begun;
  }
  if (status.ok()) return true;
  // Only a batch that is for nobody is given up; EndCancelled() ends its jobs.
  for (Slot* slot : slots) {
    if (!decoder_->Truncate(slot->sequence, slot->cached.size())) {
      slot->cached.clear();
      slot->repeatable = 0;
    }
    if (!absl::IsCancelled(status)) Fail(*slot, status);
  }
  return false;
}

// Draws the token that follows the batch's `entry` and gives its text out.
void Engine::TakeToken(Slot& slot, std::size_t entry) {
  Job& job = *slot.job;
  const std::uint64_t begun = clock_.NowMicros();
  const std::optional<Token> token = job.sampler.Draw(decoder_->LogitsOf(entry));
  const std::uint64_t now = clock_.NowMicros();
  // llama.cpp keeps a stack for every way in which the text so far can be read. Where these double
  // with each token, this is the one before the one that everybody would wait for.
  if (!job.request.grammar.empty() &&
      absl::Microseconds(static_cast<std::int64_t>(now - begun)) > options_.grammar_token_max) {
    Fail(slot, absl::InternalError("the answer can be read in too many ways by the grammar"));
    return;
  }
  if (!token) {
    Fail(slot, absl::InternalError("the grammar allows no token of this model's vocabulary here"));
    return;
  }
  if (job.first_token_micros == 0) job.first_token_micros = now;
  if (model_.IsEndOfAnswer(*token)) {
    Finish(slot, FinishReason::kEnd);
    return;
  }
  job.next = *token;
  ++job.answer_tokens;
  {
    absl::MutexLock lock(&mutex_);
    metrics_.AddToken(now);
  }
  std::string text = job.text.Append(model_.Piece(*token));
  if (!text.empty()) job.on_event(Text{std::move(text)});
  if (job.text.is_stopped()) {
    Finish(slot, FinishReason::kStopString);
  } else if (job.answer_tokens == job.max_tokens) {
    Finish(slot, FinishReason::kMaxTokens);
  }
  CHECK(slot.job == nullptr || slot.cached.size() < context_);
}

void Engine::Finish(Slot& slot, FinishReason reason) {
  Job& job = *slot.job;
  std::string rest =
      job.text.Finish(reason == FinishReason::kMaxTokens ? TextStream::Ending::kByLimit
                                                         : TextStream::Ending::kByModel);
  if (!rest.empty()) job.on_event(Text{std::move(rest)});
  const std::uint64_t now = clock_.NowMicros();
  const Finished finished{.reason = reason,
                          .answer_tokens = job.answer_tokens,
                          .first_token_micros = job.first_token_micros - job.arrived_micros,
                          .total_micros = now - job.arrived_micros};
  {
    absl::MutexLock lock(&mutex_);
    ++metrics_.counters.finished;
    metrics_.AddFirstToken(finished.first_token_micros);
    metrics_.AddService(now - job.assigned_micros);
  }
  OnEvent on_event = std::move(job.on_event);
  Release(slot);  // Before the answer: who has it may count on the slot.
  on_event(finished);
}

void Engine::Fail(Slot& slot, absl::Status error) {
  CHECK(!error.ok());
  {
    absl::MutexLock lock(&mutex_);
    ++(absl::IsCancelled(error) ? metrics_.counters.cancelled : metrics_.counters.failed);
  }
  OnEvent on_event = std::move(slot.job->on_event);
  Release(slot);
  on_event(std::move(error));
}

// The cache stays, for the next prompt that begins alike.
void Engine::Release(Slot& slot) {
  absl::MutexLock lock(&mutex_);
  running_.erase(slot.job->id);
  cancelled_.erase(slot.job->id);
  slot.job.reset();
}

bool Engine::IsCancelled(JobId id) {
  absl::MutexLock lock(&mutex_);
  return cancelled_.contains(id);
}

bool Engine::IsBatchForNobody() {
  absl::MutexLock lock(&mutex_);
  if (ends_now_) return true;
  if (batch_.empty() || cancelled_.empty()) return false;
  return std::all_of(batch_.begin(), batch_.end(), [this](const Slot* slot) {
    mutex_.AssertHeld();
    return cancelled_.contains(slot->job->id);
  });
}

}  // namespace coterie::llm
