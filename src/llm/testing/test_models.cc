#include "llm/testing/test_models.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <llama.h>

#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "llm/testing/gguf_writer.h"
#include "runtime/status_macros.h"

namespace coterie::llm::testing {
namespace {

constexpr std::size_t kEnd = 2;            // </s>
constexpr std::size_t kFirstByte = 3;      // <0x00>
constexpr char kSpace[] = "\xE2\x96\x81";  // How SentencePiece writes a space.
constexpr std::uint32_t kChainEmbedding = 384;
constexpr const char* kStoryWords[] = {"The",  " quick", " brown", " fox",  " jumps", " over",
                                       " one", " lazy",  " dog",   " near", " caf"};
constexpr const char* kColours[] = {" red",  " green", " blue",  " white",
                                    " grey", " brass", " ochre", " black"};

std::size_t ByteToken(unsigned char byte) { return kFirstByte + byte; }

// A vocabulary, and which tokens may follow which.
struct Chain {
  std::vector<Piece> pieces = BytePieces();
  std::map<std::size_t, std::vector<std::size_t>> next;

  std::size_t Add(std::string text) {
    if (text.front() == ' ') text = absl::StrCat(kSpace, text.substr(1));
    pieces.push_back({std::move(text)});
    return pieces.size() - 1;
  }
  void Follow(const std::vector<std::size_t>& tokens) {
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) next[tokens[i]] = {tokens[i + 1]};
  }
};

Chain MakeChain() {
  Chain chain;
  std::vector<std::size_t> story = {ByteToken('\n')};
  for (const char* word : kStoryWords) story.push_back(chain.Add(word));
  for (const unsigned char byte : {0xC3, 0xA9}) story.push_back(ByteToken(byte));
  story.push_back(chain.Add(" "));
  for (const unsigned char byte : {0xF0, 0x9F, 0x98, 0x80}) story.push_back(ByteToken(byte));
  story.push_back(ByteToken('.'));
  story.push_back(kEnd);
  chain.Follow(story);

  const std::size_t tick = chain.Add(" tick");
  chain.Follow({ByteToken('#'), tick, chain.Add(" tock"), tick});
  chain.Follow({ByteToken('!'), ByteToken(0xFF), chain.Add("ok"), kEnd});

  std::vector<std::size_t> colours;
  for (const char* colour : kColours) colours.push_back(chain.Add(colour));
  chain.next[ByteToken('?')] = colours;
  for (const std::size_t colour : colours) chain.next[colour] = colours;
  CHECK(chain.pieces.size() <= kChainEmbedding);
  return chain;
}

// Tokens are embedded as unit vectors of their own, attention and feed-forward add nothing, and the
// output's rows say after which tokens theirs comes. So a logit is about 20, or 0.
absl::Status WriteChain(const std::string& path, const std::string& architecture) {
  const Chain chain = MakeChain();
  std::map<std::size_t, std::vector<std::size_t>> before;  // Of `next`, the other way round.
  for (std::size_t token = 0; token < chain.pieces.size(); ++token) {
    const auto next = chain.next.find(token);
    if (next == chain.next.end()) {
      before[kEnd].push_back(token);
      continue;
    }
    for (const std::size_t following : next->second) before[following].push_back(token);
  }
  GgufWriter writer("chain", {.embedding = kChainEmbedding, .feed_forward = 32}, chain.pieces);
  if (architecture != "llama") writer.SetArchitecture(architecture);
  return writer.Write(path, WeightType::kF32,
                      [&](const std::string& tensor, std::size_t row, std::span<float> values) {
                        if (tensor == "token_embd.weight") values[row] = 1.0F;
                        if (tensor != "output.weight") return;
                        const auto tokens = before.find(row);
                        if (tokens == before.end()) return;
                        for (const std::size_t token : tokens->second) values[token] = 1.0F;
                      });
}

// Roughly normal, of the given deviation (the sum of four uniform numbers).
float Random(Prng& prng, float deviation) {
  const std::uint64_t bits = prng.Next();
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>((bits >> (16 * i)) & 0xFFFF);
  return (sum / 65'536.0F - 2.0F) * 1.732F * deviation;
}

}  // namespace

absl::Status WriteChainModel(const std::string& path) { return WriteChain(path, "llama"); }
absl::Status WriteUnknownModel(const std::string& path) {
  return WriteChain(path, "nobody-knows-this");
}

absl::Status WriteRandomModel(const std::string& path, std::uint64_t seed) {
  Prng prng(seed);
  GgufWriter writer("random", {.layers = 2, .embedding = 128, .feed_forward = 128, .heads = 2},
                    BytePieces());
  return writer.Write(path, WeightType::kF16,
                      [&](const std::string& tensor, std::size_t row, std::span<float> values) {
                        // Never the end, so that answers are as long as they may be.
                        const bool is_end = tensor == "output.weight" && row == kEnd;
                        for (float& value : values) value = is_end ? 0.0F : Random(prng, 0.2F);
                      });
}

absl::Status WriteBigModel(const std::string& path, int threads) {
  std::vector<Piece> vocabulary = BytePieces();
  while (vocabulary.size() < 32'000) {
    vocabulary.push_back({absl::StrFormat("%sw%05d", kSpace, vocabulary.size())});
  }
  Prng prng(1);
  GgufWriter writer(
      "tinyllama-shaped",
      {.layers = 22, .embedding = 2'048, .feed_forward = 5'632, .heads = 32, .kv_heads = 4},
      vocabulary);
  const std::string whole = absl::StrCat(path, ".f16");
  RETURN_IF_ERROR(writer.Write(
      whole, WeightType::kF16,
      [&](const std::string& /*tensor*/, std::size_t /*row*/, std::span<float> values) {
        for (float& value : values) value = Random(prng, 0.02F);
      }));
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = threads;
  params.ftype = LLAMA_FTYPE_MOSTLY_Q4_K_M;
  const std::uint32_t failed = llama_model_quantize(whole.c_str(), path.c_str(), &params);
  std::error_code error;
  std::filesystem::remove(whole, error);
  if (failed != 0) return absl::InternalError("llama_model_quantize failed");
  return absl::OkStatus();
}

}  // namespace coterie::llm::testing
