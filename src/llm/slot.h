#pragma once

// One of the places in which answers are generated: a sequence of the decoder, what its cache
// holds, and the job that it works on. Owner: the engine's thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "llm/request.h"
#include "llm/sampler.h"
#include "llm/text_stream.h"

namespace coterie::llm {

using JobId = std::uint64_t;  // From 1.

// So many tokens of a prompt are computed at once. Small, because running answers wait meanwhile.
// Whole chunks begin at multiples of this and are computed alone: with the same tokens before them
// they always give the same bits.
inline constexpr std::size_t kPromptChunk = 32;

// A request on its way through the engine.
struct Job {
  Job(JobId job_id, Request what, OnEvent to_whom, Sampler how)
      : id(job_id),
        request(std::move(what)),
        on_event(std::move(to_whom)),
        sampler(std::move(how)),
        text(request.stops) {}

  const JobId id;
  Request request;
  OnEvent on_event;
  Sampler sampler;
  TextStream text;
  std::uint32_t max_tokens = 0;  // Of the answer; not 0.
  std::uint32_t answer_tokens = 0;
  Token next = 0;  // Drawn, and not yet computed. Valid once answer_tokens > 0.
  std::uint64_t arrived_micros = 0;
  std::uint64_t assigned_micros = 0;
  std::uint64_t first_token_micros = 0;
  std::size_t told_place = 0;             // In the queue; 0 = none.
  std::uint64_t told_reading_micros = 0;  // When it was last told how far its prompt is.
};

struct Slot {
  std::size_t sequence = 0;
  // The tokens whose keys and values the cache holds; the index is the position.
  std::vector<Token> cached;
  std::size_t repeatable = 0;  // So many of them were computed in whole chunks.
  std::string cache_key;
  std::uint64_t used_at = 0;
  std::shared_ptr<Job> job;  // None = free.

  bool is_prompting() const { return job != nullptr && job->answer_tokens == 0; }
  bool is_answering() const { return job != nullptr && job->answer_tokens > 0; }
  bool is_alone() const { return job != nullptr && job->request.sampling.seed.has_value(); }
};

}  // namespace coterie::llm
