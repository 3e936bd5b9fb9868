#pragma once

// Whether a GBNF grammar may be given to llama.cpp, which trusts it: its parser descends once per
// parenthesis, copies what is repeated, and looks for left recursion along every path; its matcher
// keeps one stack per way to go on, and aborts when there is none. Reads the grammar as that parser
// does, builds the rules that it would build, and refuses what would kill or stall it. What the
// matcher meets later depends on the answer. Pure.
// Source: llama-grammar.cpp of llama.cpp 0.4.0.

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coterie::llm {

inline constexpr std::size_t kGrammarBytesMax = 64 << 10;
inline constexpr std::size_t kGrammarDepthMax = 64;  // Of parentheses.
inline constexpr std::size_t kGrammarNameBytesMax =
    256;  // It is copied into every rule made of it.
inline constexpr std::uint64_t kGrammarRepeatMax = 1'000;
// As llama.cpp has them: also a group and each optional repetition is a rule; a character and a
// range of some are an element each.
inline constexpr std::size_t kGrammarRulesMax = 4'096;
inline constexpr std::size_t kGrammarElementsMax = 64 << 10;
// Places in which the first character of what follows may be looked for, from any one place. For so
// many stacks llama.cpp goes through the vocabulary before it has seen that character: 0.4 to 2 s
// for 1 000 of them and 32 000 tokens.
inline constexpr std::uint64_t kGrammarWaysMax = 256;

// kInvalidArgument, with the offset of the byte where that can be said: no GBNF, a rule that is not
// defined, no rule "root", left recursion (also through what may be empty), or beyond a bound.
absl::Status CheckGrammar(std::string_view grammar);

}  // namespace coterie::llm
