#include "llm/decoder.h"

#include <absl/strings/str_cat.h>
#include <ggml-cpu.h>
#include <llama.h>

#include <utility>

#include "base/check.h"

namespace coterie::llm {
namespace {

constexpr std::int32_t kDecodeAborted = 2;  // What llama_decode() returns.

}  // namespace

struct Decoder::Batch {
  explicit Batch(std::size_t size_max)
      : llama(llama_batch_init(static_cast<std::int32_t>(size_max), 0, 1)) {}
  ~Batch() { llama_batch_free(llama); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  llama_batch llama;
};

void Decoder::FreeContext::operator()(llama_context* context) const { llama_free(context); }
void Decoder::FreeThreads::operator()(ggml_threadpool* threads) const {
  ggml_threadpool_free(threads);
}
Decoder::Decoder() = default;
Decoder::~Decoder() = default;

absl::StatusOr<std::unique_ptr<Decoder>> Decoder::Make(const Model& model, const Options& options,
                                                       absl::AnyInvocable<bool()> is_aborted) {
  CHECK(options.context > 0);
  CHECK(options.sequences > 0);
  CHECK(options.threads > 0);
  CHECK(options.batch_tokens_max >= options.sequences);
  std::unique_ptr<Decoder> decoder(new Decoder());
  decoder->is_aborted_ = std::move(is_aborted);
  decoder->batch_tokens_max_ = options.batch_tokens_max;
  decoder->batch_ = std::make_unique<Batch>(options.batch_tokens_max);

  const auto threads = static_cast<std::int32_t>(options.threads);
  const auto batch = static_cast<std::uint32_t>(options.batch_tokens_max);
  llama_context_params params = llama_context_default_params();
  params.n_ctx = options.context * options.sequences;
  params.n_batch = batch;
  params.n_ubatch = batch;
  params.n_seq_max = options.sequences;
  params.n_threads = threads;
  params.n_threads_batch = threads;
  params.kv_unified = false;
  params.no_perf = true;
  params.abort_callback = [](void* self) { return static_cast<Decoder*>(self)->is_aborted_(); };
  params.abort_callback_data = decoder.get();
  decoder->context_.reset(llama_init_from_model(model.llama(), params));
  if (decoder->context_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no context of ", options.sequences, " times ", options.context,
                     " tokens: not enough memory? Lower --slots or --context"));
  }
  ggml_threadpool_params pool = ggml_threadpool_params_default(threads);
  pool.poll = options.poll;
  decoder->threads_.reset(ggml_threadpool_new(&pool));
  if (decoder->threads_ == nullptr) return absl::ResourceExhaustedError("no threads to be had");
  llama_attach_threadpool(decoder->context_.get(), decoder->threads_.get(), nullptr);
  return decoder;
}

std::uint32_t Decoder::context() const {
  return llama_n_ctx(context_.get()) / llama_n_seq_max(context_.get());
}

void Decoder::Clear() { entries_ = 0; }

void Decoder::Add(const Entry& entry) {
  CHECK(entries_ < batch_tokens_max_);
  llama_batch& batch = batch_->llama;
  batch.token[entries_] = entry.token;
  batch.pos[entries_] = static_cast<llama_pos>(entry.position);
  batch.n_seq_id[entries_] = 1;
  batch.seq_id[entries_][0] = static_cast<llama_seq_id>(entry.sequence);
  batch.logits[entries_] = entry.wants_logits ? 1 : 0;
  ++entries_;
}

absl::Status Decoder::Decode() {
  CHECK(entries_ > 0);
  batch_->llama.n_tokens = static_cast<std::int32_t>(entries_);
  const std::int32_t result = llama_decode(context_.get(), batch_->llama);
  if (result == 0) return absl::OkStatus();
  if (result == kDecodeAborted) return absl::CancelledError("aborted");
  return absl::InternalError(absl::StrCat("the model cannot compute: llama_decode says ", result));
}

const float* Decoder::LogitsOf(std::size_t i) const {
  const float* logits = llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(i));
  CHECK(logits != nullptr);
  return logits;
}

bool Decoder::Truncate(std::size_t sequence, std::size_t length) {
  const llama_memory_t memory = llama_get_memory(context_.get());
  const auto id = static_cast<llama_seq_id>(sequence);
  if (llama_memory_seq_rm(memory, id, static_cast<llama_pos>(length), -1)) return true;
  llama_memory_seq_rm(memory, id, -1, -1);
  return length == 0;
}

void Decoder::Copy(std::size_t source, std::size_t target) {
  CHECK(source != target);
  const llama_memory_t memory = llama_get_memory(context_.get());
  llama_memory_seq_rm(memory, static_cast<llama_seq_id>(target), -1, -1);
  llama_memory_seq_cp(memory, static_cast<llama_seq_id>(source), static_cast<llama_seq_id>(target),
                      -1, -1);
}

}  // namespace coterie::llm
