#pragma once

// Lines from a person: editing, history and completion by libedit, and text of others that appears
// above the prompt while a line is being typed. From a pipe, plain lines. One thread, but Alert().

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace coterie::cli {

class LineEditor {
 public:
  // What the words before the cursor (the last one unfinished) may become.
  using Completer = std::function<std::vector<std::string>(const std::vector<std::string>& words)>;

  // `history_path` may be empty: none is kept then.
  LineEditor(std::string prompt, std::string history_path, Completer completer);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Without its newline; empty at the end of input.
  std::optional<std::string> ReadLine();
  // Any thread: shows `line` above the prompt at once, or before the next one.
  void Alert(std::string line);

 private:
  struct Library;  // libedit's types stay in the .cc.
  std::optional<std::string> ReadPlainLine();
  void ShowAlerts();
  // Waits for a byte of input; shows alerts meanwhile. False at the end of input.
  bool WaitForInput();
  bool CompleteHere(std::string& insertion);

  const std::string prompt_;
  const std::string history_path_;
  const Completer completer_;
  const bool is_terminal_;
  int wake_read_ = -1;
  int wake_write_ = -1;
  bool is_editing_ = false;
  std::unique_ptr<Library> library_;
  absl::Mutex mutex_;
  std::deque<std::string> alerts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::cli
