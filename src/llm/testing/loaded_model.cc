#include "llm/testing/loaded_model.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/check.h"
#include "llm/testing/test_models.h"

namespace coterie::llm::testing {

std::string TemporaryPath(const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / absl::StrCat("coterie-llm-test-", getpid());
  std::filesystem::create_directories(folder);
  return (folder / name).string();
}

std::unique_ptr<Model> LoadTestModel(ModelKind kind, LlamaLog& log) {
  const std::string path = TemporaryPath("model.gguf");
  CHECK((kind == ModelKind::kChain ? WriteChainModel(path) : WriteRandomModel(path, 3)).ok());
  absl::StatusOr<std::unique_ptr<Model>> model = Model::Load({.path = path}, log);
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
  CHECK(model.ok());
  return *std::move(model);
}

}  // namespace coterie::llm::testing
