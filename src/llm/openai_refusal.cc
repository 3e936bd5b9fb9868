#include "llm/openai_refusal.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/check.h"

namespace coterie::llm {
namespace {

constexpr std::size_t kQuotedMax = 300;
constexpr absl::Duration kRetryAfterDefault = absl::Seconds(5);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(600);

// The answer's "error", whatever it is; null = there is none.
nlohmann::json ErrorOf(const HttpEnd& end) {
  const nlohmann::json body = nlohmann::json::parse(end.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return nullptr;
  // vLLM's older ones have no "error" around it.
  return body.contains("error") ? body["error"] : body;
}

std::string TextIn(const nlohmann::json& error, const char* name) {
  if (!error.is_object() || !error.contains(name) || !error[name].is_string()) return "";
  return error[name].get<std::string>();
}
std::optional<std::uint64_t> NumberIn(const nlohmann::json& error, const char* name) {
  if (!error.is_object() || !error.contains(name) || !error[name].is_number_unsigned()) return {};
  return error[name].get<std::uint64_t>();
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "... 4096 tokens": the number behind these words, or before them.
std::optional<std::uint64_t> NumberBehind(const std::string& text, const std::string& words) {
  const std::size_t at = text.find(words);
  if (at == std::string::npos) return std::nullopt;
  const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at + words.size());
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(std::string(begin, std::find_if_not(begin, text.end(), IsDigit)),
                        &number)) {
    return std::nullopt;
  }
  return number;
}
std::optional<std::uint64_t> NumberBefore(const std::string& text, const std::string& words) {
  const std::size_t end = text.find(words);
  if (end == std::string::npos) return std::nullopt;
  std::size_t begin = end;
  while (begin > 0 && IsDigit(text[begin - 1])) --begin;
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(text.substr(begin, end - begin), &number)) return std::nullopt;
  return number;
}

// As OpenAI, vLLM and llama-server say that a prompt does not fit. Empty: it says something else.
std::optional<errors::Detail> TooLong(const nlohmann::json& error, std::uint32_t max_tokens) {
  const std::string message = TextIn(error, "message");
  const bool is_too_long = TextIn(error, "code") == "context_length_exceeded" ||
                           TextIn(error, "type") == "exceed_context_size_error" ||
                           absl::StrContains(message, "maximum context length");
  if (!is_too_long) return std::nullopt;
  std::optional<std::uint64_t> prompt = NumberIn(error, "n_prompt_tokens");
  for (const char* words : {" in the messages", " input tokens"}) {
    if (!prompt) prompt = NumberBefore(message, words);
  }
  for (const char* words : {"resulted in ", "requested "}) {
    if (!prompt) prompt = NumberBehind(message, words);
  }
  std::optional<std::uint64_t> context = NumberIn(error, "n_ctx");
  if (!context) context = NumberBehind(message, "maximum context length is ");
  errors::Detail detail{.reason = "CONTEXT_EXCEEDED",
                        .metadata = {{"max_tokens", absl::StrCat(max_tokens)}}};
  if (prompt) detail.metadata["prompt_tokens"] = absl::StrCat(*prompt);
  if (context) detail.metadata["context_tokens"] = absl::StrCat(*context);
  return detail;
}

// What it says of itself, in one line.
std::string MessageOf(const HttpEnd& end, const nlohmann::json& error) {
  std::string message = error.is_string() ? error.get<std::string>() : TextIn(error, "message");
  if (message.empty()) message = end.body;
  message = message.substr(0, kQuotedMax);
  std::replace_if(
      message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; },
      ' ');
  return message;
}

absl::Duration RetryAfter(const HttpEnd& end) {
  std::uint32_t seconds = 0;
  if (!absl::SimpleAtoi(end.retry_after, &seconds)) return kRetryAfterDefault;
  return std::min(absl::Duration(absl::Seconds(seconds)), kRetryAfterMax);
}

}  // namespace

Refusal RefusalOf(const HttpEnd& end, std::uint32_t max_tokens) {
  CHECK(end.status != 200);
  const nlohmann::json error = ErrorOf(end);
  const std::string said =
      absl::StrCat("the model's server says ", end.status, ": ", MessageOf(end, error));
  switch (end.status) {
    case 401:
    case 403:
      return {absl::FailedPreconditionError(absl::StrCat(
                  said, "; give coterie-llm its key: --api-key-file, or --api-key-variable")),
              {.reason = "MISCONFIGURED"}};
    case 404:
      return {absl::FailedPreconditionError(absl::StrCat(said, "; see --url and --model-name")),
              {.reason = "MISCONFIGURED"}};
    case 429:
      return {absl::ResourceExhaustedError(said),
              {.reason = "QUEUE_FULL", .retry_after = RetryAfter(end)}};
    case 400:
    case 413:
    case 422:
      return {absl::InvalidArgumentError(said),
              TooLong(error, max_tokens).value_or(errors::Detail{.reason = "BAD_REQUEST"})};
    default:
      return {absl::UnavailableError(said), {.reason = "MODEL_UNREACHABLE"}};
  }
}

}  // namespace coterie::llm
