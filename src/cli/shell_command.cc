// shell: one session, many commands, and what others do appearing above the prompt.

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <utility>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/event_text.h"
#include "cli/line_editor.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kAttachTimeout = absl::Seconds(10);
constexpr absl::Duration kNamesKept = absl::Seconds(5);

struct Flags {
  bool is_silent = false;
};

// The events of others, as alerts, on a thread of its own.
class Alerts {
 public:
  Alerts(std::unique_ptr<client::Subscription> subscription, EventText text, std::string self,
         LineEditor& editor, bool has_color)
      : subscription_(std::move(subscription)),
        text_(std::move(text)),
        self_(std::move(self)),
        editor_(editor),
        has_color_(has_color),
        thread_([this] { Run(); }) {}
  ~Alerts() { subscription_->Cancel(); }

 private:
  void Run() {
    bool is_interrupted = false;
    for (;;) {
      const absl::StatusOr<v1::SubscribeResponse> batch = subscription_->Next();
      if (absl::IsCancelled(batch.status())) return;
      if (absl::IsUnavailable(batch.status()) || absl::IsDeadlineExceeded(batch.status())) {
        if (!std::exchange(is_interrupted, true)) {
          editor_.Alert("no node can be reached; alerts go on when one can");
        }
        continue;
      }
      if (!batch.ok()) {
        editor_.Alert(absl::StrCat("no more alerts: ", batch.status().message()));
        return;
      }
      is_interrupted = false;
      for (const v1::Event& event : batch->events()) {
        const std::string line = text_.Line(event);  // Also remembers names.
        if (event.user() != self_) editor_.Alert(Paint("* " + line, Color::kCyan, has_color_));
      }
    }
  }

  const std::unique_ptr<client::Subscription> subscription_;
  EventText text_;
  const std::string self_;
  LineEditor& editor_;
  const bool has_color_;
  std::jthread thread_;
};

// Names of documents for completion, asked anew when they are old.
class Names {
 public:
  explicit Names(Invocation& cli) : cli_(cli) {}
  const std::vector<std::string>& Get() {
    if (absl::Now() - asked_at_ < kNamesKept) return names_;
    asked_at_ = absl::Now();
    const absl::StatusOr<v1::ListDocumentsResponse> page = cli_.Call(v1::ListDocumentsRequest());
    if (!page.ok()) return names_;
    names_.clear();
    for (const v1::Document& document : page->documents()) names_.push_back(document.name());
    return names_;
  }

 private:
  Invocation& cli_;
  absl::Time asked_at_ = absl::InfinitePast();
  std::vector<std::string> names_;
};

std::unique_ptr<CLI::App> MakeShellApp(Invocation& cli) {
  auto app = std::make_unique<CLI::App>();
  AddAuthCommands(*app, cli);
  AddDocumentCommands(*app, cli);
  AddContentCommands(*app, cli);
  AddEditCommand(*app, cli);
  AddLockCommands(*app, cli);
  AddHistoryCommands(*app, cli);
  AddDraftCommands(*app, cli);
  AddAssistCommands(*app, cli);
  AddWatchCommands(*app, cli);
  AddBackupCommands(*app, cli);
  AddClusterCommands(*app, cli);
  return app;
}

std::vector<std::string> CompleteInShell(Invocation& cli, Names& names,
                                         const std::vector<std::string>& words) {
  std::vector<std::string> candidates = Complete(*MakeShellApp(cli), words);
  const bool is_option = !words.back().empty() && words.back()[0] == '-';
  if (words.size() >= 2 && !is_option) {
    for (const std::string& name : names.Get()) {
      const bool is_plain =
          name.find_first_of(" \t\n'\"\\") == std::string::npos && Printable(name) == name;
      if (is_plain && absl::StartsWith(name, words.back())) candidates.push_back(name);
    }
  }
  if (words.size() == 1) {
    for (const char* word : {"help", "exit"}) {
      if (absl::StartsWith(word, words.back())) candidates.emplace_back(word);
    }
  }
  return candidates;
}

// Runs one line. False = leave.
bool RunLine(Invocation& cli, const std::string& line, ExitCode& last) {
  absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
  if (!words.ok()) {
    cli.Say(absl::StrCat("error: ", words.status().message()));
    last = ExitCode::kUsage;
    return true;
  }
  if (words->empty() || absl::StartsWith(words->front(), "#")) return true;
  if (words->front() == "exit" || words->front() == "quit") return false;
  if (words->front() == "help") (*words)[0] = "--help";
  const GlobalOptions before = cli.options;
  last = Run(cli, *words);
  const std::string user = cli.options.user;
  cli.options = before;
  if (words->front() == "login" && last == ExitCode::kOk) cli.options.user = user;
  return true;
}

absl::Status Shell(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  ASSIGN_OR_RETURN(const v1::WhoAmIResponse self, cli.Call(v1::WhoAmIRequest()));
  ASSIGN_OR_RETURN(const v1::ListDocumentsResponse documents, cli.Call(v1::ListDocumentsRequest()));
  EventText text;
  for (const v1::Document& document : documents.documents()) {
    text.Remember(document.id(), document.name());
  }
  Names names(cli);
  const std::string folder = StateFolder();
  LineEditor editor(
      "coterie> ", folder.empty() ? folder : folder + "/history",
      [&](const std::vector<std::string>& words) { return CompleteInShell(cli, names, words); });
  const auto attachment = client->Attach({});
  RETURN_IF_ERROR(attachment->WaitUntilAttached(absl::Now() + kAttachTimeout));
  std::unique_ptr<Alerts> alerts;
  if (!flags.is_silent) {
    v1::SubscribeRequest request;
    request.set_from_now(true);
    ASSIGN_OR_RETURN(auto subscription, client->Subscribe(std::move(request)));
    alerts = std::make_unique<Alerts>(std::move(subscription), std::move(text), self.user(), editor,
                                      cli.has_color());
  }
  if (isatty(STDIN_FILENO) != 0) {
    cli.Say(
        absl::StrCat("You are ", self.user(), ". Commands as on the command line; help, exit."));
  }
  cli.is_shell = true;
  ExitCode last = ExitCode::kOk;
  while (const std::optional<std::string> line = editor.ReadLine()) {
    if (!RunLine(cli, *line, last)) break;
  }
  cli.is_shell = false;
  // For scripts in a pipe: the last command's failure is the shell's.
  if (last == ExitCode::kOk || isatty(STDIN_FILENO) != 0) return absl::OkStatus();
  return absl::AbortedError("the last command failed");
}

}  // namespace

void AddShellCommand(CLI::App& app, Invocation& cli) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "shell", "Stay: history, completion, and what others do above the prompt",
      "  coterie shell\n  printf 'docs\\nwho\\n' | coterie shell", flags, Shell);
  command->add_flag("--silent", flags->is_silent, "No alerts");
}

}  // namespace coterie::cli
