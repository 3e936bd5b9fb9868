#include "llm/testing/gguf_writer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <ggml.h>
#include <gguf.h>

#include <fstream>
#include <utility>

#include "base/check.h"

namespace coterie::llm::testing {
namespace {

// TinyLlama-1.1B-Chat's.
constexpr char kChatTemplate[] =
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
    "{% endfor %}";
constexpr std::size_t kHeadBytes = 64 << 20;  // Room for ggml's own description of the tensors.

void SetVocabulary(gguf_context* file, const std::vector<Piece>& vocabulary) {
  std::vector<const char*> texts;
  std::vector<float> scores;
  std::vector<std::int32_t> kinds;
  for (const Piece& piece : vocabulary) {
    texts.push_back(piece.text.c_str());
    scores.push_back(-static_cast<float>(scores.size()));
    kinds.push_back(static_cast<std::int32_t>(piece.kind));
  }
  gguf_set_val_str(file, "tokenizer.ggml.model", "llama");
  gguf_set_val_str(file, "tokenizer.ggml.pre", "default");
  gguf_set_arr_str(file, "tokenizer.ggml.tokens", texts.data(), texts.size());
  gguf_set_arr_data(file, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
  gguf_set_arr_data(file, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, kinds.data(), kinds.size());
  gguf_set_val_u32(file, "tokenizer.ggml.unknown_token_id", 0);
  gguf_set_val_u32(file, "tokenizer.ggml.bos_token_id", 1);
  gguf_set_val_u32(file, "tokenizer.ggml.eos_token_id", 2);
  gguf_set_val_bool(file, "tokenizer.ggml.add_bos_token", true);
  gguf_set_val_bool(file, "tokenizer.ggml.add_space_prefix", false);
  gguf_set_val_str(file, "tokenizer.chat_template", kChatTemplate);
}

void SetShape(gguf_context* file, const std::string& architecture, const Shape& shape) {
  const auto set = [&](const char* key, std::uint32_t value) {
    gguf_set_val_u32(file, absl::StrCat(architecture, ".", key).c_str(), value);
  };
  gguf_set_val_str(file, "general.architecture", architecture.c_str());
  set("context_length", shape.context);
  set("block_count", shape.layers);
  set("embedding_length", shape.embedding);
  set("feed_forward_length", shape.feed_forward);
  set("attention.head_count", shape.heads);
  set("attention.head_count_kv", shape.kv_heads);
  set("attention.key_length", shape.head_size);
  set("attention.value_length", shape.head_size);
  set("rope.dimension_count", shape.head_size);
  gguf_set_val_f32(file, absl::StrCat(architecture, ".attention.layer_norm_rms_epsilon").c_str(),
                   1e-5F);
}

}  // namespace

std::vector<Piece> BytePieces() {
  std::vector<Piece> pieces = {
      {"<unk>", PieceKind::kUnknown}, {"<s>", PieceKind::kControl}, {"</s>", PieceKind::kControl}};
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back({absl::StrFormat("<0x%02X>", byte), PieceKind::kByte});
  }
  return pieces;
}

GgufWriter::GgufWriter(std::string name, const Shape& shape, const std::vector<Piece>& vocabulary)
    : shape_(shape), vocabulary_(vocabulary.size()), file_(gguf_init_empty()) {
  gguf_set_val_str(file_, "general.name", name.c_str());
  SetShape(file_, "llama", shape);
  SetVocabulary(file_, vocabulary);
}
GgufWriter::~GgufWriter() { gguf_free(file_); }

void GgufWriter::SetArchitecture(const std::string& architecture) {
  SetShape(file_, architecture, shape_);
}

std::vector<GgufWriter::Tensor> GgufWriter::Tensors() const {
  const std::int64_t embedding = shape_.embedding;
  const std::int64_t feed_forward = shape_.feed_forward;
  const std::int64_t query = std::int64_t{shape_.heads} * shape_.head_size;
  const std::int64_t key = std::int64_t{shape_.kv_heads} * shape_.head_size;
  const auto vocabulary = static_cast<std::int64_t>(vocabulary_);
  std::vector<Tensor> tensors = {{"token_embd.weight", embedding, vocabulary},
                                 {"output_norm.weight", embedding, 0},
                                 {"output.weight", embedding, vocabulary}};
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    const auto add = [&](const char* name, std::int64_t columns, std::int64_t rows) {
      tensors.push_back({absl::StrCat("blk.", layer, ".", name, ".weight"), columns, rows});
    };
    add("attn_norm", embedding, 0);
    add("attn_q", embedding, query);
    add("attn_k", embedding, key);
    add("attn_v", embedding, key);
    add("attn_output", query, embedding);
    add("ffn_norm", embedding, 0);
    add("ffn_gate", embedding, feed_forward);
    add("ffn_up", embedding, feed_forward);
    add("ffn_down", feed_forward, embedding);
  }
  return tensors;
}

absl::Status GgufWriter::Write(const std::string& path, WeightType type, const FillRow& fill) {
  const std::vector<Tensor> tensors = Tensors();
  ggml_context* context =
      ggml_init({.mem_size = kHeadBytes, .mem_buffer = nullptr, .no_alloc = true});
  const ggml_type matrix_type = type == WeightType::kF16 ? GGML_TYPE_F16 : GGML_TYPE_F32;
  for (const Tensor& tensor : tensors) {
    ggml_tensor* described =
        tensor.rows == 0 ? ggml_new_tensor_1d(context, GGML_TYPE_F32, tensor.columns)
                         : ggml_new_tensor_2d(context, matrix_type, tensor.columns, tensor.rows);
    ggml_set_name(described, tensor.name.c_str());
    gguf_add_tensor(file_, described);
  }
  const bool is_written = gguf_write_to_file(file_, path.c_str(), /*only_meta=*/true);
  const std::size_t alignment = gguf_get_alignment(file_);
  ggml_free(context);
  if (!is_written) return absl::UnavailableError(absl::StrCat("cannot write ", path));

  std::ofstream out(path, std::ios::binary | std::ios::app);
  std::vector<float> values;
  std::vector<ggml_fp16_t> halves;
  for (const Tensor& tensor : tensors) {
    std::size_t bytes = 0;
    for (std::int64_t row = 0; row < std::max<std::int64_t>(tensor.rows, 1); ++row) {
      values.assign(static_cast<std::size_t>(tensor.columns), tensor.rows == 0 ? 1.0F : 0.0F);
      if (tensor.rows > 0) fill(tensor.name, static_cast<std::size_t>(row), values);
      const char* data = reinterpret_cast<const char*>(values.data());
      std::size_t size = values.size() * sizeof(float);
      if (tensor.rows > 0 && matrix_type == GGML_TYPE_F16) {
        halves.resize(values.size());
        ggml_fp32_to_fp16_row(values.data(), halves.data(), tensor.columns);
        data = reinterpret_cast<const char*>(halves.data());
        size = halves.size() * sizeof(ggml_fp16_t);
      }
      out.write(data, static_cast<std::streamsize>(size));
      bytes += size;
    }
    const std::string padding((alignment - bytes % alignment) % alignment, '\0');
    out.write(padding.data(), static_cast<std::streamsize>(padding.size()));
  }
  out.close();
  if (!out) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace coterie::llm::testing
