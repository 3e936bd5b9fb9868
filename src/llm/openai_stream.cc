#include "llm/openai_stream.h"

#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr std::size_t kQuotedMax = 200;

absl::Status Malformed(std::string_view line) {
  return absl::InternalError(
      absl::StrCat("the server's answer is not what /v1/chat/completions streams: \"",
                   std::string(line.substr(0, kQuotedMax)), "\""));
}

// The member of that name as text; empty if it is none.
std::string TextIn(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return "";
  return found->get<std::string>();
}

}  // namespace

absl::Status OpenAiStream::Append(std::string_view bytes, std::string& text) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kLineBytesMax) return Malformed(line_);
    if (end == std::string_view::npos) return absl::OkStatus();
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    const std::string line = std::exchange(line_, {});
    RETURN_IF_ERROR(TakeLine(line, text));
  }
  return absl::OkStatus();
}

absl::Status OpenAiStream::TakeLine(std::string_view line, std::string& text) {
  constexpr std::string_view kData = "data:";
  if (line.empty() || line.front() == ':') return absl::OkStatus();  // A comment keeps it alive.
  if (!line.starts_with(kData)) {
    const bool is_field =
        line.starts_with("event:") || line.starts_with("id:") || line.starts_with("retry:");
    return is_field ? absl::OkStatus() : Malformed(line);
  }
  line.remove_prefix(kData.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (line == "[DONE]") {
    is_done_ = true;
    return absl::OkStatus();
  }
  const nlohmann::json chunk = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!chunk.is_object()) return Malformed(line);
  if (const auto error = chunk.find("error"); error != chunk.end()) {
    const std::string message =
        error->is_string() ? error->get<std::string>() : TextIn(*error, "message");
    return absl::UnavailableError(
        absl::StrCat("the server failed during the answer: ", message.substr(0, kQuotedMax)));
  }
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || !choices->is_array()) return Malformed(line);
  if (choices->empty()) return absl::OkStatus();  // The usage, at the end.
  const nlohmann::json& choice = choices->front();
  if (!choice.is_object()) return Malformed(line);
  const auto delta = choice.find("delta");
  if (delta != choice.end()) {
    const std::string piece = TextIn(*delta, "content");
    text += piece;
    if (!piece.empty()) ++chunks_;
  }
  if (const std::string reason = TextIn(choice, "finish_reason"); !reason.empty()) reason_ = reason;
  return absl::OkStatus();
}

}  // namespace coterie::llm
