#pragma once

// A case of `./dev bench crdt`, as bench/crdt/workload.mjs wrote it: what each writer does.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coterie::bench {

struct Edit {
  enum class Kind : std::uint8_t { kInsert, kDelete, kValues, kSet, kFormat };
  Kind kind = Kind::kInsert;
  std::uint64_t position = 0;
  std::uint64_t length = 0;  // kDelete, kFormat.
  std::string key;           // kSet, kFormat.
  std::string text;          // What is inserted; of kValues, kSet and kFormat JSON.
};

struct Workload {
  std::string root;  // "text", "array" or "map".
  std::string base;  // Text that all writers begin with.
  std::vector<std::vector<Edit>> writers;
  std::optional<std::string> end;  // The text that a single writer comes to.
};

// Ends the program with a message if there is no such file.
Workload ReadWorkload(const std::string& path);

}  // namespace coterie::bench
