#include "llm/sampler.h"

#include <absl/strings/str_cat.h>
#include <llama.h>

#include <cmath>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "llm/grammar_check.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr std::int32_t kPenaltyTokens = 64;
constexpr float kTemperatureMax = 4.0F;
constexpr float kPenaltyMin = 0.5F;
constexpr float kPenaltyMax = 2.0F;
constexpr std::size_t kCandidatesMin = 1;

absl::Status CheckRange(const char* name, float value, float least, float most) {
  if (value >= least && value <= most) return absl::OkStatus();  // False for a NaN.
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; it must be ", least, " to ", most));
}

// Releases of llama.cpp differ in whether this one wants the vocabulary's size.
template <class Make>
llama_sampler* MakePenalties(Make make, std::int32_t vocabulary, float repeat) {
  if constexpr (std::is_invocable_v<Make, std::int32_t, std::int32_t, float, float, float>) {
    return make(vocabulary, kPenaltyTokens, repeat, 0.0F, 0.0F);
  } else {
    return make(kPenaltyTokens, repeat, 0.0F, 0.0F);
  }
}

}  // namespace

absl::Status CheckSampling(const Sampling& sampling) {
  RETURN_IF_ERROR(CheckRange("temperature", sampling.temperature, 0, kTemperatureMax));
  RETURN_IF_ERROR(CheckRange("top_p", sampling.top_p, 0, 1));
  RETURN_IF_ERROR(CheckRange("min_p", sampling.min_p, 0, 1));
  RETURN_IF_ERROR(CheckRange("repeat_penalty", sampling.repeat_penalty, kPenaltyMin, kPenaltyMax));
  if (sampling.top_k < 0) return absl::InvalidArgumentError("top_k is negative");
  return absl::OkStatus();
}

Sampler::Sampler(std::size_t vocabulary) : candidates_(vocabulary) {}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

void Sampler::Free::operator()(llama_sampler* chain) const { llama_sampler_free(chain); }

absl::StatusOr<Sampler> Sampler::Make(const llama_vocab* vocab, const Request& request,
                                      std::uint32_t seed) {
  const Sampling& sampling = request.sampling;
  RETURN_IF_ERROR(CheckSampling(sampling));
  const std::int32_t vocabulary = llama_vocab_n_tokens(vocab);
  Sampler sampler(static_cast<std::size_t>(vocabulary));
  sampler.chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  llama_sampler* chain = sampler.chain_.get();
  if (!request.grammar.empty()) {
    RETURN_IF_ERROR(CheckGrammar(request.grammar));
    llama_sampler* grammar = llama_sampler_init_grammar(vocab, request.grammar.c_str(), "root");
    if (grammar == nullptr) {
      return absl::InvalidArgumentError(
          "llama.cpp does not take the grammar: it names a token that this model has not, or "
          "repeats in all more than 2000 times within each other");
    }
    llama_sampler_chain_add(chain, grammar);
  }
  if (sampling.repeat_penalty != 1.0F) {
    llama_sampler_chain_add(
        chain, MakePenalties(&llama_sampler_init_penalties, vocabulary, sampling.repeat_penalty));
  }
  if (sampling.temperature == 0.0F) {
    llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    return sampler;
  }
  if (sampling.top_k > 0) {
    llama_sampler_chain_add(chain, llama_sampler_init_top_k(sampling.top_k));
  }
  if (sampling.top_p < 1.0F) {
    llama_sampler_chain_add(chain, llama_sampler_init_top_p(sampling.top_p, kCandidatesMin));
  }
  if (sampling.min_p > 0.0F) {
    llama_sampler_chain_add(chain, llama_sampler_init_min_p(sampling.min_p, kCandidatesMin));
  }
  llama_sampler_chain_add(chain, llama_sampler_init_temp(sampling.temperature));
  llama_sampler_chain_add(chain, llama_sampler_init_dist(sampling.seed.value_or(seed)));
  return sampler;
}

std::optional<Token> Sampler::Draw(const float* logits) {
  CHECK(logits != nullptr);
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    candidates_[i] = {.id = static_cast<Token>(i), .logit = logits[i], .p = 0.0F};
  }
  llama_token_data_array array{
      .data = candidates_.data(), .size = candidates_.size(), .selected = -1, .sorted = false};
  llama_sampler_apply(chain_.get(), &array);
  CHECK(array.selected >= 0 && array.selected < static_cast<std::int64_t>(array.size));
  const llama_token_data& drawn = array.data[array.selected];
  // The grammar forbids by setting to minus infinity; accepting a forbidden token is an exception.
  if (!std::isfinite(drawn.logit)) return std::nullopt;
  llama_sampler_accept(chain_.get(), drawn.id);
  return drawn.id;
}

}  // namespace coterie::llm
