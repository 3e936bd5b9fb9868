// The command `coterie`: wiring only. What it does is in cli/.

#include "cli/command_line.h"

int main(int argc, char** argv) { return coterie::cli::Main(argc, argv); }
