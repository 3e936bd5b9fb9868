#pragma once

// The log as the first version of the program left it, for tests of upgrades: the product reads
// that format and no longer writes it. Its bytes: format.md, "Versions".

#include "io/faulty_file.h"
#include "wal/log.h"

namespace coterie::wal::testing {

// Replaces what is in the directory by a log of version 1 with that content. Requires that nothing
// is damaged or promised: the first version knew neither.
void WriteVersion1(io::FaultyDirectory& directory, const Identity& identity,
                   const Recovered& recovered);

}  // namespace coterie::wal::testing
