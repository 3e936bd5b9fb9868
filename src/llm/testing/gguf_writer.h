#pragma once

// Writes a llama-architecture model to a GGUF file, row by row, so that a large one needs no
// memory. For models made up by tests and benchmarks. One owner.

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

struct ggml_context;
struct gguf_context;

namespace coterie::llm::testing {

struct Shape {
  std::uint32_t context = 2'048;
  std::uint32_t layers = 1;
  std::uint32_t embedding = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t heads = 1;
  std::uint32_t kv_heads = 1;
  std::uint32_t head_size = 64;
};

enum class PieceKind : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

struct Piece {
  std::string text;
  PieceKind kind = PieceKind::kNormal;
};

enum class WeightType : std::uint8_t { kF32, kF16 };

// One row of a tensor; `tensor` is its name, for example "blk.0.attn_q.weight".
using FillRow =
    std::function<void(const std::string& tensor, std::size_t row, std::span<float> values)>;

class GgufWriter {
 public:
  // `vocabulary` begins with <unk>, <s>, </s> and the 256 bytes.
  GgufWriter(std::string name, const Shape& shape, const std::vector<Piece>& vocabulary);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  void SetArchitecture(const std::string& architecture);  // "llama" unless set.

  // Norms are ones and not asked for. kUnavailable: the file cannot be written.
  absl::Status Write(const std::string& path, WeightType type, const FillRow& fill);

 private:
  struct Tensor {
    std::string name;
    std::int64_t columns;
    std::int64_t rows;  // 0 = a vector.
  };
  std::vector<Tensor> Tensors() const;

  const Shape shape_;
  const std::size_t vocabulary_;
  gguf_context* file_;
};

// <unk>, <s>, </s> and the 256 bytes.
std::vector<Piece> BytePieces();

}  // namespace coterie::llm::testing
