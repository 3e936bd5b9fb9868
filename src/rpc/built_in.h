#pragma once

// The assistant that every node has without a language model: spelling against a dictionary of
// Debian's, and summaries of a text's own sentences. It says of itself that it is no model. Any
// thread.

#include <absl/base/call_once.h>

#include <memory>
#include <string>

#include "assist/spelling.h"
#include "spell/dictionary.h"

namespace coterie::rpc {

class BuiltIn {
 public:
  // Under this name its answers stand beside those of models.
  static constexpr char kName[] = "built-in, no language model";

  // The dictionary is opened when it is first needed.
  explicit BuiltIn(std::string language) : language_(std::move(language)) {}

  const std::string& language() const { return language_; }
  // Null: there is no dictionary of that language here.
  const assist::Speller* speller() const;

 private:
  const std::string language_;
  mutable absl::once_flag once_;
  mutable std::unique_ptr<spell::Dictionary> dictionary_;
  mutable assist::Speller speller_;
};

}  // namespace coterie::rpc
