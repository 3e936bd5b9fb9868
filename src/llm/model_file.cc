#include "llm/model_file.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace coterie::llm {
namespace {

constexpr std::size_t kFilesMax = 10'000;

// A small one that is good enough to try things out.
constexpr char kName[] = "tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf";
constexpr char kUrl[] =
    "https://huggingface.co/TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF/resolve/main/";
constexpr char kSha256[] = "9fecc3b3cd76bba89d504f29b616eedf7da85b96540e490ca5824d3f7d2776a0";

std::string WhatToDownload(const std::string& folder) {
  return absl::StrCat(
      "no *.gguf in ", folder,
      "/. Any model in llama.cpp's format will do; a small one to begin with is\n"
      "TinyLlama 1.1B Chat: English, licence Apache-2.0, 669 MB (668788096 bytes).\n"
      "  mkdir -p ",
      folder, "\n  curl -L -o ", folder, "/", kName, " \\\n    ", kUrl, kName, "\n  echo \"",
      kSha256, "  ", folder, "/", kName, "\" | sha256sum --check\n", "or name a file with --model");
}

}  // namespace

absl::StatusOr<std::string> FindModel(const std::string& wanted, const std::string& folder) {
  if (!wanted.empty()) return wanted;
  std::vector<std::string> found;
  std::error_code error;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".gguf") found.push_back(it->path().string());
    if (++seen == kFilesMax) break;
  }
  if (found.empty()) return absl::NotFoundError(WhatToDownload(folder));
  if (found.size() == 1) return found.front();
  std::sort(found.begin(), found.end());
  return absl::InvalidArgumentError(
      absl::StrCat(found.size(), " models are in ", folder, "/ (", found[0], ", ", found[1],
                   found.size() > 2 ? ", ..." : "", "); choose one with --model"));
}

}  // namespace coterie::llm
