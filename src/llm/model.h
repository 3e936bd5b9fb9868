#pragma once

// A GGUF file as a loaded language model: its weights, vocabulary and chat template. Turns text
// into tokens and back; computes nothing. Immutable once loaded; any thread.
//
// What is wrong with a file is found out before its weights are read, so that a person is told in
// one line: kNotFound; kDataLoss (truncated, or damaged); kInvalidArgument (not a GGUF);
// kUnimplemented (an architecture that llama.cpp does not know); kInternal.

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chat_template.h"
#include "llm/llama_log.h"
#include "llm/marks.h"
#include "llm/request.h"

struct llama_model;
struct llama_vocab;

namespace coterie::llm {

// How the text's control tokens are read.
enum class ControlTokens : std::uint8_t { kPlainText, kCount };

class Model {
 public:
  struct Options {
    std::string path;
    std::string chat_template;  // One that llama.cpp knows by name; empty = the file's own.
    // Of 0 to 1; may be empty. Called by the loading thread.
    absl::AnyInvocable<void(float) const> on_progress;
  };
  // What is seen in its head alone; Load() looks at it, too.
  static absl::Status CheckFile(const std::string& path, LlamaLog& log);
  static absl::StatusOr<std::unique_ptr<Model>> Load(const Options& options, LlamaLog& log);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  const std::string& architecture() const { return architecture_; }
  std::uint64_t size_bytes() const;
  std::uint64_t parameters() const;
  std::uint32_t trained_context() const;
  bool has_chat_template() const { return template_.has_value(); }

  // kInvalidArgument: a text that Tokenize() must not get, see stretches.h.
  absl::Status CheckText(std::string_view text) const;
  std::vector<Token> Tokenize(std::string_view text, ControlTokens control) const;
  // The chat as a prompt that ends where the assistant begins. Names of control tokens and the
  // template's marks in contents are broken up, so that they are text; a NUL becomes a space.
  // kFailedPrecondition: no chat template; kInvalidArgument: no messages, an unknown role, or
  // what CheckText() says.
  absl::StatusOr<std::vector<Token>> TokenizeChat(const std::vector<ChatMessage>& messages) const;

  // A text of so many bytes has at least so many tokens, without looking at it.
  std::uint64_t LeastTokens(std::uint64_t bytes) const { return bytes / token_bytes_max_; }

  // The bytes of a token, which may be a part of a character. Control tokens have none.
  std::string Piece(Token token) const;
  bool IsEndOfAnswer(Token token) const;

  llama_model* llama() const { return model_.get(); }
  const llama_vocab* vocab() const;

 private:
  struct Free {
    void operator()(llama_model* model) const;
  };
  Model() = default;
  void ReadMetadata(const Options& options);
  void ReadVocabulary();

  std::unique_ptr<llama_model, Free> model_;
  std::string name_;
  std::string description_;
  std::string architecture_;
  std::optional<ChatTemplate> template_;
  Marks marks_;
  std::string splitter_;               // Of texts into words; empty = none.
  std::uint64_t token_bytes_max_ = 1;  // Of a text, for one token.
};

}  // namespace coterie::llm
