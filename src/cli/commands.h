#pragma once

// The commands, by group: each function adds its subcommands to `app`; parsing one sets
// Invocation::action. `cli` outlives `app`. Main thread.

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "cli/invocation.h"

namespace coterie::cli {

void AddAuthCommands(CLI::App& app, Invocation& cli);  // login logout whoami passwd users
void AddDocumentCommands(CLI::App& app,
                         Invocation& cli);  // docs new cat write append rm rename share
void AddContentCommands(CLI::App& app, Invocation& cli);  // insert delete export import
void AddEditCommand(CLI::App& app, Invocation& cli);      // edit
void AddLockCommands(CLI::App& app, Invocation& cli);     // lock unlock locks
void AddHistoryCommands(CLI::App& app, Invocation& cli);  // history show restore
void AddDraftCommands(CLI::App& app, Invocation& cli);    // drafts, draft show merge drop
// ask summarize grammar enhance continue suggestions accept reject
void AddAssistCommands(CLI::App& app, Invocation& cli);
void AddWatchCommands(CLI::App& app, Invocation& cli);      // watch who
void AddBackupCommands(CLI::App& app, Invocation& cli);     // backup ...
void AddClusterCommands(CLI::App& app, Invocation& cli);    // cluster ...
void AddLocalCommands(CLI::App& app, Invocation& cli);      // up down
void AddDemoCommand(CLI::App& app, Invocation& cli);        // demo
void AddShellCommand(CLI::App& app, Invocation& cli);       // shell
void AddDoctorCommand(CLI::App& app, Invocation& cli);      // doc doctor
void AddCompletionCommand(CLI::App& app, Invocation& cli);  // completion

// What `app` would complete `words` (all but the last are whole) to, names of documents aside.
std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words);

// A subcommand whose `run` is called with its parsed `Flags`; `examples` end its help.
template <class Flags>
CLI::App* AddCommand(CLI::App& app, Invocation& cli, const std::string& name,
                     const std::string& description, const std::string& examples,
                     std::shared_ptr<Flags> flags,
                     std::function<absl::Status(Invocation&, const Flags&)> run) {
  CLI::App* command = app.add_subcommand(name, description);
  if (!examples.empty()) command->footer("Examples:\n" + examples);
  command->callback([&cli, command, flags = std::move(flags), run = std::move(run)] {
    if (!command->get_subcommands().empty()) return;  // The subcommand has set its own.
    cli.action = [&cli, flags, run] { return run(cli, *flags); };
  });
  return command;
}

// An option whose value is one of `words`. Both outlive `command`.
template <class Choice>
void AddChoice(CLI::App& command, const std::string& name, Choice& choice,
               const std::map<std::string, Choice>& words, const std::string& description) {
  std::vector<std::string> known;
  for (const auto& [word, value] : words) known.push_back(word);
  command
      .add_option_function<std::string>(
          name, [&choice, &words](const std::string& word) { choice = words.at(word); },
          description)
      ->check(CLI::IsMember(std::move(known)));
}

}  // namespace coterie::cli
