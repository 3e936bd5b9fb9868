#pragma once

// `--config FILE`: a program's flags as TOML, for who keeps them in a file. Every flag by its name
// without the dashes; one that may be repeated as an array. What the command line says counts more.

#include <CLI/CLI.hpp>

namespace coterie::bin {

// Adds the flag. Names that are no flags, tables and what is no TOML are errors that name the line.
void AddConfigFlag(CLI::App& app);

}  // namespace coterie::bin
