// coterie-test-model: writes one of the models of test_models.h, for tests of the real server and
// for measuring.

#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "llm/llama_log.h"
#include "llm/testing/test_models.h"

namespace coterie::llm::testing {
namespace {

constexpr int kQuantizingThreads = 2;

int Main(const std::vector<std::string>& arguments) {
  const std::map<std::string, std::function<absl::Status(const std::string&)>> kinds = {
      {"chain", WriteChainModel},
      {"unknown", WriteUnknownModel},
      {"random", [](const std::string& path) { return WriteRandomModel(path, 1); }},
      {"big", [](const std::string& path) { return WriteBigModel(path, kQuantizingThreads); }}};
  if (arguments.size() != 2 || !kinds.contains(arguments[0])) {
    static_cast<void>(
        std::fputs("usage: coterie-test-model chain|random|big|unknown FILE\n", stderr));
    return 2;
  }
  const LlamaLog log([](LlamaLog::Level, std::string_view) {});
  const absl::Status status = kinds.at(arguments[0])(arguments[1]);
  if (status.ok()) return 0;
  static_cast<void>(
      std::fprintf(stderr, "coterie-test-model: %s\n", std::string(status.message()).c_str()));
  return 1;
}

}  // namespace
}  // namespace coterie::llm::testing

int main(int argc, char** argv) { return coterie::llm::testing::Main({argv + 1, argv + argc}); }
