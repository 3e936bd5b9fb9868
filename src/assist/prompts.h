#pragma once

// What the model is told for each task. The writers' text always stands in a user's message between
// two fences and is named as material, whatever it says: the model has no tools, and what it
// answers is only ever text that is offered to a person. What requests on one document have in
// common comes first, so that the server can reuse it. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::assist {

struct Message {
  std::string role;  // "system", "user" or "assistant".
  std::string content;
};
using Prompt = std::vector<Message>;

enum class SummaryForm : std::uint8_t { kBullets, kParagraph };
enum class Tone : std::uint8_t { kClearer, kShorter, kFormal, kFriendly };

// The same text with its mistakes corrected.
Prompt GrammarPrompt(std::string_view passage);
// Of one part of a long document, or of a whole short one.
Prompt SummaryPrompt(std::string_view text, SummaryForm form);
// One summary of the summaries of a document's parts, which stand in order.
Prompt CombinePrompt(std::string_view summaries, SummaryForm form);
Prompt TonePrompt(std::string_view passage, Tone tone);
// The text as `instruction` wants it, which is a writer's, too.
Prompt InstructionPrompt(std::string_view passage, std::string_view instruction);
// What could come next; `before` is the end of what is there.
Prompt ContinuePrompt(std::string_view before);
// About a document, or freely if that is empty.
Prompt AskPrompt(std::string_view document, std::string_view question);

// The text between fences of angle brackets that are longer than any such run in it, so that
// nothing in the text can end it.
std::string Fence(std::string_view text);

}  // namespace coterie::assist
