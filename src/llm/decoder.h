#pragma once

// The model's working memory: one llama_context with a sequence per slot, each with its own part of
// the KV cache. Runs batches of tokens through the model. Decides nothing. Only the engine's thread
// may call it.
//
// Each sequence has cells of its own (a stream, in llama.cpp's words), so that what is computed for
// one does not depend on where the others' cells lie: together with fixed batch sizes this makes
// answers exactly repeatable. The price is that a prefix is shared by copying it.

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "llm/model.h"
#include "llm/request.h"

struct llama_context;
struct ggml_threadpool;

namespace coterie::llm {

class Decoder {
 public:
  struct Options {
    std::uint32_t context = 0;  // Tokens of one sequence.
    std::uint32_t sequences = 0;
    std::uint32_t threads = 0;
    std::uint32_t poll = 0;  // 0 to 100: how long idle threads spin before they sleep.
    std::size_t batch_tokens_max = 0;
  };
  // `is_aborted` is asked many times during Decode(), by the same thread. kResourceExhausted: not
  // enough memory.
  static absl::StatusOr<std::unique_ptr<Decoder>> Make(const Model& model, const Options& options,
                                                       absl::AnyInvocable<bool()> is_aborted);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // What one sequence holds, at least what was asked for.
  std::uint32_t context() const;

  // --- A batch: what follows Clear(), up to Decode() ---

  struct Entry {
    std::size_t sequence;
    Token token;
    std::size_t position;
    bool wants_logits;
  };
  void Clear();
  void Add(const Entry& entry);
  std::size_t size() const { return entries_; }

  // kCancelled: aborted; kInternal: could not compute. The sequences of the batch then hold any
  // part of it: Truncate() them.
  absl::Status Decode();
  // Of the last batch's i-th entry, which wanted them; valid until the next Decode().
  const float* LogitsOf(std::size_t i) const;

  // --- Sequences ---

  // Forgets what is at `length` and behind. False: this model cannot, and everything is forgotten.
  bool Truncate(std::size_t sequence, std::size_t length);
  // Makes `target` hold what `source` holds. What `target` held is gone.
  void Copy(std::size_t source, std::size_t target);

 private:
  struct Batch;
  struct FreeContext {
    void operator()(llama_context* context) const;
  };
  struct FreeThreads {
    void operator()(ggml_threadpool* threads) const;
  };
  Decoder();

  absl::AnyInvocable<bool()> is_aborted_;
  std::unique_ptr<ggml_threadpool, FreeThreads> threads_;  // Outlives the context.
  std::unique_ptr<llama_context, FreeContext> context_;
  std::unique_ptr<Batch> batch_;
  std::size_t batch_tokens_max_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace coterie::llm
