#pragma once

// Draws the next token of one answer from the model's logits: grammar, penalty, top-k, top-p,
// min-p, temperature, then the draw, in this order. One owner; not thread-safe. The same seed and
// logits draw the same tokens.

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <vector>

#include "llm/request.h"

struct llama_sampler;
struct llama_vocab;
struct llama_token_data;

namespace coterie::llm {

// kInvalidArgument: a value is out of its range, or the grammar does not parse.
absl::Status CheckSampling(const Sampling& sampling);

class Sampler {
 public:
  // `seed` is used unless `request` has one. Checks what CheckSampling() checks.
  static absl::StatusOr<Sampler> Make(const llama_vocab* vocab, const Request& request,
                                      std::uint32_t seed);
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;

  // The token that follows, given one logit per token of the vocabulary; remembers it. Empty: the
  // grammar allows no token at all.
  std::optional<Token> Draw(const float* logits);

 private:
  struct Free {
    void operator()(llama_sampler* chain) const;
  };
  explicit Sampler(std::size_t vocabulary);

  std::unique_ptr<llama_sampler, Free> chain_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace coterie::llm
