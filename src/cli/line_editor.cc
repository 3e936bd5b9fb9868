#include "cli/line_editor.h"

#include <absl/strings/match.h>
#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "base/check.h"
#include "cli/command_line.h"
#include "cli/terminal.h"

namespace coterie::cli {
namespace {

constexpr int kHistoryMax = 1000;
constexpr std::size_t kAlertsMax = 1000;
constexpr std::size_t kLineBytesMax = 1 << 20;

}  // namespace

struct LineEditor::Library {
  EditLine* line = nullptr;
  History* history = nullptr;
  HistEvent event{};

  static LineEditor& Owner(EditLine* line) {
    void* owner = nullptr;
    el_get(line, EL_CLIENTDATA, &owner);
    return *static_cast<LineEditor*>(owner);
  }
  static char* Prompt(EditLine* line) { return const_cast<char*>(Owner(line).prompt_.c_str()); }
  // One character of input; other threads' alerts go first.
  static int GetCharacter(EditLine* line, wchar_t* character) {
    std::mbstate_t state{};
    for (;;) {
      char byte = 0;
      if (!Owner(line).WaitForInput() || read(STDIN_FILENO, &byte, 1) != 1) return 0;
      const std::size_t used = std::mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<std::size_t>(-2)) continue;  // More bytes of it follow.
      if (used == static_cast<std::size_t>(-1)) {
        state = {};
        continue;
      }
      return 1;
    }
  }
  static unsigned char CompleteKey(EditLine* line, int /*key*/) {
    std::string insertion;
    if (!Owner(line).CompleteHere(insertion)) return CC_REDISPLAY;
    if (insertion.empty()) return CC_REFRESH_BEEP;
    return el_insertstr(line, insertion.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }
};

LineEditor::LineEditor(std::string prompt, std::string history_path, Completer completer)
    : prompt_(std::move(prompt)),
      history_path_(std::move(history_path)),
      completer_(std::move(completer)),
      is_terminal_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  wake_read_ = ends[0];
  wake_write_ = ends[1];
  if (!is_terminal_) return;
  library_ = std::make_unique<Library>();
  library_->line = el_init("coterie", stdin, stdout, stderr);
  CHECK(library_->line != nullptr);
  el_set(library_->line, EL_CLIENTDATA, this);
  el_set(library_->line, EL_PROMPT, &Library::Prompt);
  el_set(library_->line, EL_EDITOR, "emacs");
  el_set(library_->line, EL_SIGNAL, 1);
  el_wset(library_->line, EL_GETCFN, &Library::GetCharacter);
  el_set(library_->line, EL_ADDFN, "coterie-complete", "Complete a word", &Library::CompleteKey);
  el_set(library_->line, EL_BIND, "^I", "coterie-complete", nullptr);
  el_set(library_->line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  library_->history = history_init();
  CHECK(library_->history != nullptr);
  history(library_->history, &library_->event, H_SETSIZE, kHistoryMax);
  history(library_->history, &library_->event, H_SETUNIQUE, 1);
  el_set(library_->line, EL_HIST, history, library_->history);
  if (!history_path_.empty()) {
    history(library_->history, &library_->event, H_LOAD, history_path_.c_str());
  }
}

LineEditor::~LineEditor() {
  if (library_ != nullptr) {
    history_end(library_->history);
    el_end(library_->line);
  }
  close(wake_read_);
  close(wake_write_);
}

void LineEditor::Alert(std::string line) {
  {
    absl::MutexLock lock(&mutex_);
    if (alerts_.size() >= kAlertsMax) alerts_.pop_front();
    alerts_.push_back(std::move(line));
  }
  const char byte = 0;
  // A full pipe is a wake-up, too.
  if (write(wake_write_, &byte, 1) < 0) return;
}

void LineEditor::ShowAlerts() {
  std::deque<std::string> alerts;
  {
    absl::MutexLock lock(&mutex_);
    alerts.swap(alerts_);
  }
  if (alerts.empty()) return;
  FILE* const out = is_terminal_ ? stdout : stderr;
  if (is_editing_) std::fputs("\r\033[K", out);
  for (const std::string& alert : alerts) std::fprintf(out, "%s\n", alert.c_str());
  std::fflush(out);
  if (is_editing_) el_set(library_->line, EL_REFRESH);
}

bool LineEditor::WaitForInput() {
  for (;;) {
    pollfd waiting[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                         {.fd = wake_read_, .events = POLLIN}};
    const int ready = poll(waiting, 2, -1);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (waiting[1].revents != 0) {
      char bytes[64];
      while (read(wake_read_, bytes, sizeof(bytes)) > 0) {
      }
      ShowAlerts();
    }
    if (waiting[0].revents != 0) return true;
  }
}

bool LineEditor::CompleteHere(std::string& insertion) {
  const LineInfo* info = el_line(library_->line);
  const std::string before(info->buffer, info->cursor);
  absl::StatusOr<std::vector<std::string>> words = SplitWords(before);
  if (!words.ok()) return true;
  const bool is_new_word = before.empty() || before.back() == ' ';
  if (is_new_word) words->emplace_back();
  std::vector<std::string> candidates = completer_(*words);
  if (candidates.empty()) return true;
  const std::string& begun = words->back();
  std::string common = candidates.front();
  for (const std::string& candidate : candidates) {
    const auto ends =
        std::mismatch(common.begin(), common.end(), candidate.begin(), candidate.end());
    common.erase(ends.first, common.end());
  }
  if (common.size() > begun.size()) insertion = common.substr(begun.size());
  if (candidates.size() == 1) insertion += ' ';
  if (!insertion.empty() || candidates.size() == 1) return true;
  // Nothing more in common: show what there is to choose from.
  std::fputs("\n", stdout);
  for (const std::string& candidate : candidates) std::fprintf(stdout, "%s  ", candidate.c_str());
  std::fputs("\n", stdout);
  std::fflush(stdout);
  return false;
}

std::optional<std::string> LineEditor::ReadPlainLine() {
  ShowAlerts();
  std::string line;
  char byte = 0;
  while (line.size() < kLineBytesMax) {
    if (!WaitForInput() || read(STDIN_FILENO, &byte, 1) != 1) {
      if (line.empty()) return std::nullopt;
      break;
    }
    if (byte == '\n') break;
    line += byte;
  }
  return line;
}

std::optional<std::string> LineEditor::ReadLine() {
  if (!is_terminal_) return ReadPlainLine();
  ShowAlerts();
  is_editing_ = true;
  int count = 0;
  const char* text = el_gets(library_->line, &count);
  is_editing_ = false;
  if (text == nullptr || count <= 0) {
    std::fputs("\n", stdout);
    return std::nullopt;
  }
  std::string line(text, static_cast<std::size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (!line.empty()) {
    history(library_->history, &library_->event, H_ENTER, line.c_str());
    if (!history_path_.empty()) {
      history(library_->history, &library_->event, H_SAVE, history_path_.c_str());
    }
  }
  return line;
}

}  // namespace coterie::cli
