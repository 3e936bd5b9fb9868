#pragma once

// llama.cpp's log lines, which are one stream per process: given on to a function, and the last
// error kept, because llama.cpp's calls only say that they failed. Made once, before anything of
// llama.cpp is used, and outlives it. Any thread logs; the function must be thread-safe.

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/synchronization/mutex.h>

#include <string>
#include <string_view>

namespace coterie::llm {

class LlamaLog {
 public:
  enum class Level : unsigned char { kDebug, kInfo, kWarning, kError };
  using Write = absl::AnyInvocable<void(Level, std::string_view line) const>;

  explicit LlamaLog(Write write);
  ~LlamaLog();
  LlamaLog(const LlamaLog&) = delete;
  LlamaLog& operator=(const LlamaLog&) = delete;

  // The error lines since the last call of this, joined by "; ".
  std::string TakeErrors();

 private:
  void Add(int level, const char* text);
  void WriteLine(Level level, std::string_view line);

  const Write write_;
  absl::Mutex mutex_;
  std::string line_ ABSL_GUARDED_BY(mutex_);
  Level level_ ABSL_GUARDED_BY(mutex_) = Level::kInfo;
  std::string errors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::llm
