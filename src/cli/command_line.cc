#include "cli/command_line.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <clocale>
#include <cstdio>
#include <memory>
#include <sstream>
#include <utility>

#include "cli/commands.h"
#include "cli/explain.h"
#include "runtime/version.h"

namespace coterie::cli {
namespace {

constexpr char kDescription[] =
    "Coterie: documents that several people write, on several machines, without losing a word.\n\n"
    "First steps:\n"
    "  coterie up                      three nodes on this machine (another terminal)\n"
    "  coterie login mia               you\n"
    "  coterie write -c notes 'hello'  a document\n"
    "  coterie watch                   see what others do\n";

constexpr char kEnvironmentHelp[] =
    "Environment (flags win):\n"
    "  COTERIE_NODES        as --nodes\n"
    "  COTERIE_USER         as --user\n"
    "  COTERIE_PASSWORD     instead of being asked\n"
    "  COTERIE_NEW_PASSWORD instead of being asked for a new one (passwd, users add)\n"
    "  COTERIE_CA           as --ca\n"
    "  COTERIE_CREDENTIALS  the file that keeps sessions\n"
    "  NO_COLOR             no colours";

std::unique_ptr<CLI::App> MakeApp(Invocation& cli) {
  auto app = std::make_unique<CLI::App>(kDescription, "coterie");
  app->footer(absl::StrCat(kExitCodesHelp, "\n\n", kEnvironmentHelp,
                           "\n\ncoterie COMMAND --help says more, with examples."));
  app->require_subcommand(1);
  app->fallthrough();  // Global options may stand after the command.
  app->set_version_flag("--version", absl::StrCat("coterie ", runtime::kProgramVersion));
  app->add_option("--nodes", cli.options.nodes, "Any nodes: HOST:PORT,HOST:PORT");
  app->add_option("-u,--user", cli.options.user, "Use this user's session");
  app->add_option("--ca", cli.options.ca_path, "PEM file of the nodes' authority: use TLS")
      ->check([](const std::string& path) {
        return std::string(path.empty() ? "it names no file, and TLS is not turned off by that"
                                        : "");
      });
  app->add_option("--timeout", cli.options.timeout, "How long a call may take, for example 30s");
  app->add_flag("--json", cli.options.is_json, "Print JSON, one object a line");
  app->add_flag("--no-color", cli.options.no_color, "No colours");
  app->add_flag("-q,--quiet", cli.options.is_quiet, "Say nothing but errors");
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
  AddDoctorCommand(*app, cli);
  if (!cli.is_shell) {
    AddShellCommand(*app, cli);
    AddLocalCommands(*app, cli);
    AddDemoCommand(*app, cli);
    AddCompletionCommand(*app, cli);
  }
  return app;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// What CLI11 found wrong, with a guess at what was meant.
absl::Status UsageError(const CLI::App& app, const CLI::ParseError& error,
                        const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  std::string path = "coterie";
  bool is_value = false;  // Of the option before it.
  for (const std::string& word : words) {
    const std::vector<std::string> known = CommandNames(*command);
    if (std::exchange(is_value, false)) continue;
    if (absl::StartsWith(word, "-")) {
      const CLI::Option* option = command->get_option_no_throw(word);
      is_value = option != nullptr && option->get_type_size() > 0;
      continue;
    }
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      if (known.empty()) break;
      const std::string guess = DidYouMean(word, known);
      return Error(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("there is no command \"", (path + " " + word).substr(8), "\""),
                   guess.empty() ? absl::StrCat(path, " --help")
                                 : absl::StrCat("did you mean `", path, " ", guess, "`?"));
    }
    command = command->get_subcommand(word);
    absl::StrAppend(&path, " ", word);
  }
  return Error(absl::StatusCode::kInvalidArgument, error.what(), path + " --help");
}

ExitCode Report(Invocation& cli, absl::Status status) {
  // What nobody has received is not done.
  if (status.ok()) status = cli.OutputError();
  if (status.ok()) return ExitCode::kOk;
  // Stopped by who is reading this.
  const bool has_words = !absl::IsCancelled(status) || !status.message().empty();
  if (cli.is_json() && cli.OutputError().ok()) cli.PrintJson(ErrorJson(status));
  const bool is_told = cli.is_json() && cli.OutputError().ok();
  if (has_words && !is_told) {
    const std::string text = ErrorText(status);
    std::fflush(stdout);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  return ExitCodeOf(status);
}

}  // namespace

std::string DidYouMean(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance =
      (word.size() <= 3 ? 1 : std::max<std::size_t>(2, word.size() / 3)) + 1;
  for (const std::string& candidate : known) {
    // Levenshtein, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool escapes = c == '\\' && quote != '\'' && i + 1 < line.size();
    if (escapes) {
      word += line[++i];
      in_word = true;
    } else if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) words.push_back(std::exchange(word, ""));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != '\0') return absl::InvalidArgumentError("a quote is not closed");
  if (in_word) words.push_back(std::move(word));
  return words;
}

ExitCode Run(Invocation& cli, const std::vector<std::string>& words) {
  const std::unique_ptr<CLI::App> app = MakeApp(cli);
  cli.action = nullptr;
  cli.Begin();
  // CLI11 takes its arguments from the back.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app->parse(std::move(reversed));
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    app->exit(help, text, text);
    cli.Print(text.str());
    return Report(cli, absl::OkStatus());
  } catch (const CLI::ParseError& error) {
    return Report(cli, UsageError(*app, error, words));
  }
  if (!cli.action) return ExitCode::kOk;
  absl::Status status = cli.action();
  // A session that has ended, and a password at hand: once more with a new one.
  if (absl::IsUnauthenticated(status) && cli.ForgetSession()) status = cli.action();
  if (status.ok()) cli.KeepMembers();
  return Report(cli, std::move(status));
}

int Main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe)
  // Malformed answers and failed handshakes are reported by us.
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args*) {});
  Invocation cli;
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return static_cast<int>(Run(cli, {"--help"}));
  return static_cast<int>(Run(cli, words));
}

}  // namespace coterie::cli
