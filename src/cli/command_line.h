#pragma once

// The program: its words into a command, the command into an exit code. Also runs one line of the
// interactive shell. Main thread.

#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/invocation.h"

namespace coterie::cli {

// Parses and runs. Errors and help are printed; `words` are without the program's name.
ExitCode Run(Invocation& cli, const std::vector<std::string>& words);

// The command among `known` that `word` is probably meant to be; empty when none is near.
std::string DidYouMean(const std::string& word, const std::vector<std::string>& known);

// Splits a line as a shell does: blanks, '...', "...", \. kInvalidArgument for an open quote.
absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line);

// main().
int Main(int argc, char** argv);

}  // namespace coterie::cli
