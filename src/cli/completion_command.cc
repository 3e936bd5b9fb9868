// completion: a script for bash, made from the tree of commands; and completion inside the shell.

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <memory>

#include "cli/commands.h"

namespace coterie::cli {
namespace {

std::vector<const CLI::App*> Subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Names of the subcommands and, after them, the options.
std::vector<std::string> Words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* command : Subcommands(app)) words.push_back(command->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

bool TakesDocument(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && option->get_name(true).find("DOCUMENT") != std::string::npos) {
      return true;
    }
  }
  return false;
}

// One line of the case statement per command, "path)" -> words.
void AppendCases(const CLI::App& app, const std::string& path, std::string& script) {
  for (const CLI::App* command : Subcommands(app)) {
    const std::string here = absl::StrCat(path, " ", command->get_name());
    absl::StrAppend(&script, "    '", here.substr(1), "') words=\"",
                    absl::StrJoin(Words(*command), " "),
                    "\" names=", TakesDocument(*command) ? "1" : "", " ;;\n");
    AppendCases(*command, here, script);
  }
}

// The commands that have some of their own, as a pattern of a case statement.
std::string Groups(const CLI::App& root) {
  std::vector<std::string> names;
  for (const CLI::App* command : Subcommands(root)) {
    if (!Subcommands(*command).empty()) names.push_back(command->get_name());
  }
  return absl::StrJoin(names, " | ");
}

std::string BashScript(const CLI::App& root) {
  std::string script = absl::StrCat(
      "# bash completion of coterie. Use: source <(coterie completion bash)\n"
      "_coterie() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} path= words= names= i\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    [[ ${COMP_WORDS[i]} == -* ]] && continue\n"
      "    case \"$path\" in\n"
      "      '' | ",
      Groups(root),
      ") path=\"${path:+$path }${COMP_WORDS[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$path\" in\n");
  absl::StrAppend(&script, "    '') words=\"", absl::StrJoin(Words(root), " "), "\" ;;\n");
  AppendCases(root, "", script);
  absl::StrAppend(&script,
                  "  esac\n"
                  "  local IFS=$' \\n'\n"
                  "  COMPREPLY=()\n"
                  "  for i in $words; do\n"
                  "    [[ $i == \"$current\"* ]] && COMPREPLY+=(\"$i\")\n"
                  "  done\n"
                  "  [[ -z $names || $current == -* ]] && return\n"
                  // Others choose the names: nothing may expand them, and the line that they
                  // come into must not either.
                  "  while IFS= read -r i; do\n"
                  "    printf -v path %q \"$i\"\n"
                  "    [[ $i == \"$current\"* || $path == \"$current\"* ]] && "
                  "COMPREPLY+=(\"$path\")\n"
                  "  done < <(coterie docs --names 2>/dev/null)\n"
                  "}\n"
                  "complete -o default -F _coterie coterie\n");
  return script;
}

struct Flags {
  std::string shell = "bash";
};

}  // namespace

std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    for (const CLI::App* next : Subcommands(*command)) {
      if (next->get_name() != words[i]) continue;
      command = next;
      break;
    }
  }
  std::vector<std::string> candidates;
  if (words.empty()) return candidates;
  const std::string& begun = words.back();
  for (std::string& word : Words(*command)) {
    const bool is_option = word[0] == '-';
    if (is_option && begun.empty()) continue;
    if (absl::StartsWith(word, begun)) candidates.push_back(std::move(word));
  }
  return candidates;
}

void AddCompletionCommand(CLI::App& app, Invocation& cli) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand<Flags>(app, cli, "completion", "Print a script that completes commands in bash",
                        "  source <(coterie completion bash)", flags,
                        [root = &app](Invocation& invocation, const Flags&) {
                          invocation.Print(BashScript(*root));
                          return absl::OkStatus();
                        });
  command->add_option("SHELL", flags->shell, "bash")
      ->capture_default_str()
      ->check(CLI::IsMember({"bash"}));
}

}  // namespace coterie::cli
