#include "llm/model.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <gguf.h>
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "llm/stretches.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr char kMagic[] = "GGUF";
constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kTextBytesMax = std::numeric_limits<std::int32_t>::max() / 4;
constexpr std::uint64_t kCharacterBytesMax = 4;
constexpr std::size_t kByteValues = 256;
// Some vocabularies drop blanks beside control tokens, or put several characters into one first: as
// much as this times what is left is then taken for a text's size.
constexpr std::uint64_t kDroppedMax = 4;
constexpr const char* kRoles[] = {"system", "user", "assistant"};

std::string MetadataOf(const llama_model* model, const char* key) {
  const std::int32_t size = llama_model_meta_val_str(model, key, nullptr, 0);
  if (size <= 0) return "";
  std::string value(static_cast<std::size_t>(size) + 1, '\0');
  llama_model_meta_val_str(model, key, value.data(), value.size());
  value.resize(static_cast<std::size_t>(size));
  return value;
}

enum class ControlPieces : std::uint8_t { kEmpty, kNames };

std::string PieceOf(const llama_vocab* vocab, Token token, ControlPieces control) {
  const bool with_control = control == ControlPieces::kNames;
  char piece[256];
  const std::int32_t size =
      llama_token_to_piece(vocab, token, piece, sizeof piece, 0, with_control);
  if (size >= 0) return std::string(piece, static_cast<std::size_t>(size));
  std::string longer(static_cast<std::size_t>(-size), '\0');
  llama_token_to_piece(vocab, token, longer.data(), -size, 0, with_control);
  return longer;
}

absl::Status CheckMagic(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  if (status.type() != std::filesystem::file_type::regular) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a file"));
  }
  std::ifstream file(path, std::ios::binary);
  char magic[kMagicBytes] = {};
  file.read(magic, kMagicBytes);
  if (!file) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read, or is empty"));
  }
  if (std::string_view(magic, kMagicBytes) != kMagic) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a GGUF file; llama.cpp's models begin with the letters GGUF"));
  }
  return absl::OkStatus();
}

// The file's size, were it complete.
std::uint64_t ExpectedBytes(const gguf_context* file) {
  std::uint64_t end = 0;
  for (std::int64_t i = 0; i < gguf_get_n_tensors(file); ++i) {
    end = std::max<std::uint64_t>(end,
                                  gguf_get_tensor_offset(file, i) + gguf_get_tensor_size(file, i));
  }
  return gguf_get_data_offset(file) + end;
}

absl::Status LoadError(const std::string& path, const std::string& errors) {
  const std::size_t unknown = errors.find("unknown model architecture");
  if (unknown != std::string::npos) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": ", errors.substr(unknown, errors.find(';', unknown) - unknown),
                     "; this build of llama.cpp does not support it"));
  }
  return absl::InternalError(absl::StrCat(path, ": ", errors.empty() ? "does not load" : errors));
}

}  // namespace

void Model::Free::operator()(llama_model* model) const { llama_model_free(model); }
Model::~Model() = default;

absl::Status Model::CheckFile(const std::string& path, LlamaLog& log) {
  RETURN_IF_ERROR(CheckMagic(path));
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  gguf_context* file = gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr});
  if (file == nullptr) {
    return absl::DataLossError(absl::StrCat(path, ": truncated or damaged within its head (",
                                            log.TakeErrors(), "); download it again"));
  }
  const absl::Cleanup free = [file] { gguf_free(file); };
  const std::uint64_t expected = ExpectedBytes(file);
  if (size < expected) {
    return absl::DataLossError(absl::StrCat(path, ": truncated: ", size, " of ", expected,
                                            " bytes are here; download it again"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Model>> Model::Load(const Options& options, LlamaLog& log) {
  log.TakeErrors();
  RETURN_IF_ERROR(CheckFile(options.path, log));
  llama_model_params params = llama_model_default_params();
  params.progress_callback = [](float progress, void* data) {
    const auto& on_progress = static_cast<const Options*>(data)->on_progress;
    if (on_progress) on_progress(progress);
    return true;
  };
  params.progress_callback_user_data = const_cast<Options*>(&options);
  std::unique_ptr<Model> model(new Model());
  model->model_.reset(llama_model_load_from_file(options.path.c_str(), params));
  if (model->model_ == nullptr) return LoadError(options.path, log.TakeErrors());
  if (!llama_model_has_decoder(model->llama()) || llama_model_has_encoder(model->llama())) {
    return absl::UnimplementedError(
        absl::StrCat(options.path, ": not a model that generates text by itself (decoder-only)"));
  }
  model->ReadMetadata(options);
  return model;
}

void Model::ReadMetadata(const Options& options) {
  architecture_ = MetadataOf(llama(), "general.architecture");
  name_ = MetadataOf(llama(), "general.name");
  if (name_.empty()) name_ = std::filesystem::path(options.path).stem().string();
  char description[128] = {};
  llama_model_desc(llama(), description, sizeof description);
  description_ = description;

  const char* own = llama_model_chat_template(llama(), nullptr);
  const Token end = llama_vocab_eos(vocab());
  template_ = ChatTemplate::Make(
      options.chat_template.empty() ? (own == nullptr ? "" : own) : options.chat_template,
      end == LLAMA_TOKEN_NULL ? "" : llama_vocab_get_text(vocab(), end));

  ReadVocabulary();
}

void Model::ReadVocabulary() {
  std::vector<std::string> marks;
  if (template_) marks = template_->Marks();
  std::set<char> bytes;  // That are a token each.
  bool drops_blanks = false;
  std::uint64_t longest = kCharacterBytesMax;  // An unknown character is one token.
  for (Token token = 0; token < llama_vocab_n_tokens(vocab()); ++token) {
    const std::string piece = PieceOf(vocab(), token, ControlPieces::kNames);
    longest = std::max<std::uint64_t>(longest, piece.size());
    if (piece.size() == 1) bytes.insert(piece.front());
    const int attributes = llama_vocab_get_attr(vocab(), token);
    if ((attributes & (LLAMA_TOKEN_ATTR_LSTRIP | LLAMA_TOKEN_ATTR_RSTRIP)) != 0) {
      drops_blanks = true;
    }
    if ((attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0) {
      marks.emplace_back(llama_vocab_get_text(vocab(), token));
    }
  }
  marks_ = Marks(marks);
  const auto type = llama_vocab_type(vocab());
  if (type == LLAMA_VOCAB_TYPE_BPE) {
    splitter_ = MetadataOf(llama(), "tokenizer.ggml.pre");
    if (splitter_.empty()) splitter_ = "default";
  }
  const bool keeps_all =
      type == LLAMA_VOCAB_TYPE_SPM || (type == LLAMA_VOCAB_TYPE_BPE && bytes.size() == kByteValues);
  token_bytes_max_ = keeps_all && !drops_blanks ? longest : longest * kDroppedMax;
}

std::uint64_t Model::size_bytes() const { return llama_model_size(llama()); }
std::uint64_t Model::parameters() const { return llama_model_n_params(llama()); }
std::uint32_t Model::trained_context() const {
  return static_cast<std::uint32_t>(std::max(0, llama_model_n_ctx_train(llama())));
}
const llama_vocab* Model::vocab() const { return llama_model_get_vocab(llama()); }

absl::Status Model::CheckText(std::string_view text) const {
  return CheckStretches(text, splitter_);
}

std::vector<Token> Model::Tokenize(std::string_view text, ControlTokens control) const {
  CHECK(text.size() <= kTextBytesMax);
  std::vector<Token> tokens(text.size() + 2);  // At most one a byte, and the first and last ones.
  const auto tokenize = [&] {
    return llama_tokenize(vocab(), text.data(), static_cast<std::int32_t>(text.size()),
                          tokens.data(), static_cast<std::int32_t>(tokens.size()),
                          /*add_special=*/true, control == ControlTokens::kCount);
  };
  std::int32_t count = tokenize();
  if (count < 0) {
    tokens.resize(static_cast<std::size_t>(-count));
    count = tokenize();
  }
  CHECK(count >= 0);
  tokens.resize(static_cast<std::size_t>(count));
  return tokens;
}

absl::StatusOr<std::vector<Token>> Model::TokenizeChat(
    const std::vector<ChatMessage>& messages) const {
  if (!has_chat_template()) {
    return absl::FailedPreconditionError(
        "the model has no chat template that llama.cpp knows; send a raw prompt, or start the "
        "server with --chat-template NAME");
  }
  if (messages.empty()) return absl::InvalidArgumentError("the chat has no messages");
  std::vector<ChatMessage> chat;
  chat.reserve(messages.size());
  for (const ChatMessage& message : messages) {
    const bool is_role = std::any_of(std::begin(kRoles), std::end(kRoles),
                                     [&](const char* role) { return message.role == role; });
    if (!is_role) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown role \"", message.role, "\": system, user or assistant"));
    }
    chat.push_back({.role = message.role, .content = marks_.Broken(message.content)});
  }
  const std::string prompt = template_->Render(chat);
  RETURN_IF_ERROR(CheckText(prompt));
  return Tokenize(prompt, ControlTokens::kCount);
}

std::string Model::Piece(Token token) const {
  return PieceOf(vocab(), token, ControlPieces::kEmpty);
}

bool Model::IsEndOfAnswer(Token token) const { return llama_vocab_is_eog(vocab(), token); }

}  // namespace coterie::llm
