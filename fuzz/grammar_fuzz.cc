// Grammars for a model: accepted or refused with a reason, whatever it is. What is built of one is
// bounded by numbers of its own (kGrammarElementsMax), not by its length: repetitions are copies.

#include "base/check.h"
#include "fuzz/input.h"
#include "llm/grammar_check.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const absl::Status checked = llm::CheckGrammar(input);
  CHECK(checked.ok() || !checked.message().empty());
  CHECK(checked.ok() || absl::IsInvalidArgument(checked));
}

}  // namespace coterie::fuzz
