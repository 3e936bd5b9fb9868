#include "llm/llama_log.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <llama.h>

#include <utility>

namespace coterie::llm {
namespace {

constexpr std::size_t kErrorBytesMax = 1'000;

}  // namespace

LlamaLog::LlamaLog(Write write) : write_(std::move(write)) {
  llama_log_set([](ggml_log_level level, const char* text,
                   void* self) { static_cast<LlamaLog*>(self)->Add(level, text); },
                this);
}

LlamaLog::~LlamaLog() {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
}

std::string LlamaLog::TakeErrors() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(errors_, "");
}

// A line may come in pieces, of which only the first has a level.
void LlamaLog::Add(int level, const char* text) {
  std::string whole;
  Level of_whole = Level::kInfo;
  {
    absl::MutexLock lock(&mutex_);
    if (level == GGML_LOG_LEVEL_ERROR) level_ = Level::kError;
    if (level == GGML_LOG_LEVEL_WARN) level_ = Level::kWarning;
    if (level == GGML_LOG_LEVEL_INFO) level_ = Level::kInfo;
    if (level == GGML_LOG_LEVEL_DEBUG) level_ = Level::kDebug;
    line_ += text;
    if (line_.empty() || line_.back() != '\n') return;
    whole = std::exchange(line_, "");
    whole.pop_back();
    of_whole = level_;
    if (of_whole == Level::kError && errors_.size() < kErrorBytesMax) {
      absl::StrAppend(&errors_, errors_.empty() ? "" : "; ", whole);
    }
  }
  WriteLine(of_whole, whole);
}

void LlamaLog::WriteLine(Level level, std::string_view line) {
  if (!line.empty() && write_) write_(level, line);
}

}  // namespace coterie::llm
