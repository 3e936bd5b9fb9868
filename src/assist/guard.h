#pragma once

// Whether a model's rewriting of a passage may be shown as a suggestion. A small model now and then
// answers the text instead of correcting it, leaves half of it out, or changes a number; what looks
// like that is dropped, because nobody should have to find out. It does not judge style. Pure.

#include <cstdint>
#include <string>
#include <string_view>

namespace coterie::assist {

enum class Verdict : std::uint8_t {
  kKeep,
  kEmpty,
  kTooLong,        // Or much too short.
  kTooDifferent,   // Too few of the words are the same.
  kChangesNumber,  // A number, an address or a link is not the one that was there.
};

struct GuardLimits {
  double changed_words_max = 0.4;  // Of the longer one's words, how many may differ.
  double longer_max = 1.5;         // Times the source's length.
  double shorter_max = 2.0;        // The source's length, times the answer's.
};
inline constexpr GuardLimits kGrammarLimits{};
// A change of tone may touch nearly every word.
inline constexpr GuardLimits kToneLimits{
    .changed_words_max = 0.9, .longer_max = 2.0, .shorter_max = 4.0};

// What a writer has told may be anything: another language, a list.
inline constexpr GuardLimits kInstructionLimits{
    .changed_words_max = 1.0, .longer_max = 3.0, .shorter_max = 10.0};

Verdict Judge(std::string_view source, std::string_view answer, const GuardLimits& limits);

// The answer without what models put around it: "Here is the corrected text:", quotes or a fence
// around all of it that the source has not, and other white space than the source's at both ends.
std::string WithoutWrapping(std::string_view source, std::string_view answer);

}  // namespace coterie::assist
