#include "llm/chat_template.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <llama.h>

#include <utility>

#include "base/check.h"

namespace coterie::llm {
namespace {

constexpr std::size_t kTemplateBytes = 1'024;  // More than any adds to a short chat.

bool IsZephyr(const std::string& source) {
  return absl::StrContains(source, "<|user|>") && absl::StrContains(source, "<|assistant|>") &&
         absl::StrContains(source, "eos_token") && !absl::StrContains(source, "<|end|>") &&
         !absl::StrContains(source, "<|im_start|>");
}

}  // namespace

ChatTemplate::ChatTemplate(Kind kind, std::string source, std::string end_of_text)
    : kind_(kind), source_(std::move(source)), end_of_text_(std::move(end_of_text)) {}

std::optional<ChatTemplate> ChatTemplate::Make(const std::string& source,
                                               const std::string& end_of_text) {
  if (source.empty()) return std::nullopt;
  if (IsZephyr(source)) return ChatTemplate(Kind::kZephyr, source, end_of_text);
  const llama_chat_message probe{.role = "user", .content = "x"};
  if (llama_chat_apply_template(source.c_str(), &probe, 1, true, nullptr, 0) <= 0) {
    return std::nullopt;
  }
  return ChatTemplate(Kind::kLlama, source, end_of_text);
}

std::string ChatTemplate::Render(const std::vector<ChatMessage>& messages) const {
  if (kind_ == Kind::kLlama) return RenderLlama(messages);
  std::string prompt;
  for (const ChatMessage& message : messages) {
    absl::StrAppend(&prompt, "<|", message.role, "|>\n", message.content, end_of_text_, "\n");
  }
  return absl::StrCat(prompt, "<|assistant|>\n");
}

std::string ChatTemplate::RenderLlama(const std::vector<ChatMessage>& messages) const {
  std::vector<llama_chat_message> chat;
  chat.reserve(messages.size());
  std::size_t bytes = kTemplateBytes;
  for (const ChatMessage& message : messages) {
    chat.push_back({.role = message.role.c_str(), .content = message.content.c_str()});
    bytes += message.content.size() * 2;
  }
  std::string prompt(bytes, '\0');
  const auto render = [&] {
    return llama_chat_apply_template(source_.c_str(), chat.data(), chat.size(), true, prompt.data(),
                                     static_cast<std::int32_t>(prompt.size()));
  };
  std::int32_t size = render();
  if (size > static_cast<std::int32_t>(prompt.size())) {
    prompt.resize(static_cast<std::size_t>(size));
    size = render();
  }
  CHECK(size >= 0);  // Make() has tried it.
  prompt.resize(static_cast<std::size_t>(size));
  return prompt;
}

}  // namespace coterie::llm
