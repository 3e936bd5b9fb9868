#pragma once

// A made-up model, written to a temporary file, loaded, and the file removed. One owner.

#include <memory>
#include <string>

#include "llm/model.h"

namespace coterie::llm::testing {

enum class ModelKind : std::uint8_t { kChain, kRandom };

// Stops the test program if that fails: there is nothing to test then.
std::unique_ptr<Model> LoadTestModel(ModelKind kind, LlamaLog& log);

// The path of a file of that name in a folder of this process's own.
std::string TemporaryPath(const std::string& name);

}  // namespace coterie::llm::testing
