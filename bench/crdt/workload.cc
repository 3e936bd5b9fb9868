#include "bench/crdt/workload.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "base/check.h"

namespace coterie::bench {
namespace {

std::string Unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
    } else {
      CHECK(++i < text.size());
      plain += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return plain;
}

// Cuts the first word off.
std::string_view TakeWord(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::uint64_t TakeNumber(std::string_view& line) {
  return std::stoull(std::string(TakeWord(line)));
}

Edit ReadEdit(std::string_view line) {
  const std::string_view verb = TakeWord(line);
  CHECK(verb.size() == 1);
  Edit edit;
  if (verb != "m") edit.position = TakeNumber(line);
  switch (verb[0]) {
    case 'i':
      edit.text = Unescape(line);
      break;
    case 'd':
      edit.kind = Edit::Kind::kDelete;
      edit.length = TakeNumber(line);
      break;
    case 'a':
      edit.kind = Edit::Kind::kValues;
      edit.text = line;
      break;
    case 'm':
      edit.kind = Edit::Kind::kSet;
      edit.key = TakeWord(line);
      edit.text = line;
      break;
    default:
      CHECK(verb == "f");
      edit.kind = Edit::Kind::kFormat;
      edit.length = TakeNumber(line);
      edit.key = TakeWord(line);
      edit.text = line;
  }
  return edit;
}

}  // namespace

Workload ReadWorkload(const std::string& path) {
  std::ifstream file(path);
  if (!file.is_open()) {
    std::fprintf(stderr, "no workload %s\n", path.c_str());
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): this program has one thread.
  }
  Workload workload;
  for (std::string line; std::getline(file, line);) {
    const std::string_view whole = line;
    if (whole.starts_with("case ")) {
      workload.root = whole.substr(whole.rfind(' ') + 1);
    } else if (whole.starts_with("base ")) {
      workload.base = Unescape(whole.substr(5));
    } else if (whole.starts_with("end ")) {
      workload.end = Unescape(whole.substr(4));
    } else if (whole == "writer") {
      workload.writers.emplace_back();
    } else if (!whole.empty()) {
      workload.writers.back().push_back(ReadEdit(whole));
    }
  }
  return workload;
}

}  // namespace coterie::bench
