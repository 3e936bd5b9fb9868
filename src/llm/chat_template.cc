#include "llm/chat_template.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <llama.h>

#include <algorithm>
#include <cctype>
#include <string_view>
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

// As a message's whole content; no template has it.
constexpr char kProbe[] = "qWzProbe7";
// Of the words before a colon. More are a sentence, and its last word is the mark.
constexpr std::size_t kMarkWordsMax = 3;

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// "USER:" of a line that ends so, "### Response:" with what is before it.
void AddColonMarks(std::string_view text, std::vector<std::string>& marks) {
  constexpr std::string_view kColons[] = {":", "\xEF\xBC\x9A"};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool is_mark = std::any_of(std::begin(kColons), std::end(kColons),
                                     [&](std::string_view colon) { return line.ends_with(colon); });
    if (!is_mark) continue;
    const auto spaces = static_cast<std::size_t>(std::count_if(line.begin(), line.end(), IsSpace));
    if (spaces >= kMarkWordsMax) line.remove_prefix(line.find_last_of(" \t") + 1);
    marks.emplace_back(line);
  }
}

// What stands between two messages: "</s>\n<|user|>\n", " [/INST] ", "\n\nAssistant: ".
void AddMarks(std::string_view between, std::vector<std::string>& marks) {
  while (!between.empty()) {
    const std::size_t open = std::min(between.find_first_of("<["), between.size());
    AddColonMarks(between.substr(0, open), marks);
    between.remove_prefix(open);
    if (between.empty()) return;
    const char closing = between.front() == '<' ? '>' : ']';
    std::size_t end = between.find(closing);
    if (end == std::string_view::npos) return AddColonMarks(between, marks);
    while (end < between.size() && between[end] == closing) ++end;  // "<<SYS>>".
    constexpr std::size_t kBrackets = 2;
    if (end > kBrackets) marks.emplace_back(between.substr(0, end));
    between.remove_prefix(end);
  }
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

std::vector<std::string> ChatTemplate::Marks() const {
  std::vector<std::string> marks;
  std::vector<ChatMessage> chat = {
      {"system", kProbe}, {"user", kProbe}, {"assistant", kProbe}, {"user", kProbe}};
  for (int i = 0; i < 2; ++i) {
    const std::string rendered = Render(chat);
    std::string_view rest = rendered;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(kProbe), rest.size());
      AddMarks(rest.substr(0, end), marks);
      rest.remove_prefix(std::min(end + sizeof kProbe - 1, rest.size()));
    }
    chat.erase(chat.begin());  // Some write more where there is no system message.
  }
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  return marks;
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
