#pragma once

// How a chat becomes a prompt: the template that a model's file names. llama.cpp tells templates
// apart by what they contain and renders those that it knows; what it takes for another one is
// rendered here. Immutable; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coterie::llm {

struct ChatMessage {
  std::string role;
  std::string content;
};

class ChatTemplate {
 public:
  // `source` is the file's Jinja text, or a name that llama.cpp knows; `end_of_text` the text of
  // the token that ends an answer. Empty: an unknown template.
  static std::optional<ChatTemplate> Make(const std::string& source,
                                          const std::string& end_of_text);

  // The prompt up to where the assistant begins.
  // Requires that no message has a NUL in it.
  std::string Render(const std::vector<ChatMessage>& messages) const;
  // What it writes around messages to say whose they are and where they end: found by rendering,
  // whether the vocabulary has tokens for it or not. What is in brackets, and words with a colon.
  std::vector<std::string> Marks() const;

 private:
  enum class Kind : std::uint8_t {
    kLlama,  // As llama.cpp renders it.
    // "<|role|>\ncontent</s>\n", as Zephyr and TinyLlama were trained. Their files write the end as
    // eos_token, so that llama.cpp (0.4.0) takes them for GLM-Edge, which ends no message.
    kZephyr,
  };
  ChatTemplate(Kind kind, std::string source, std::string end_of_text);
  std::string RenderLlama(const std::vector<ChatMessage>& messages) const;

  Kind kind_;
  std::string source_;
  std::string end_of_text_;
};

}  // namespace coterie::llm
