#include "llm/grammar_check.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr std::uint32_t kTerminal = 0xFFFF'FFFF;
constexpr std::uint32_t kAlternative = 0xFFFF'FFFE;
constexpr std::uint64_t kNoMaximum = 0xFFFF'FFFF'FFFF'FFFF;
// llama.cpp's search for left recursion goes down every path anew: so many elements in all.
constexpr std::uint64_t kVisitsMax = 10'000'000;

// A character or a class's piece, the number of a rule, or the bar between two alternatives.
using Element = std::uint32_t;

struct Rule {
  std::string name;
  std::size_t offset = 0;  // Where it was first named.
  bool is_defined = false;
  std::vector<Element> elements;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || IsDigit(c);
}
bool IsRule(Element element) { return element < kAlternative; }

absl::Status Refused(std::size_t offset, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the grammar, at byte ", offset, ": ", why));
}

// Reads the text, and makes of it the rules that llama.cpp makes.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Rule>> Read() {
    SkipSpace(Lines::kMany);
    while (at_ < text_.size()) RETURN_IF_ERROR(ReadRule());
    return std::move(rules_);
  }

 private:
  enum class Lines : std::uint8_t { kOne, kMany };
  struct Repetition {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
  };

  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  absl::Status Error(const std::string& why) const { return Refused(at_, why); }

  void SkipSpace(Lines lines) {
    bool is_comment = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = Peek();
      const bool is_end = c == '\r' || c == '\n';
      if (is_end && lines == Lines::kOne) return;
      if (is_end) is_comment = false;
      if (c == '#') is_comment = true;
      if (!is_comment && !is_end && c != ' ' && c != '\t') return;
    }
  }

  // The word that begins here; empty if none does.
  std::string_view ReadWord() {
    const std::size_t begin = at_;
    while (IsWord(Peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  absl::StatusOr<std::uint32_t> RuleOf(std::string_view name) {
    const std::size_t offset = at_ - name.size();
    if (name.size() > kGrammarNameBytesMax) {
      return Refused(offset, absl::StrCat("a name of more than ", kGrammarNameBytesMax, " bytes"));
    }
    const auto [found, is_new] =
        numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(rules_.size()));
    if (!is_new) return found->second;
    return MakeRule(std::string(name), offset);
  }
  absl::StatusOr<std::uint32_t> MakeRule(std::string name, std::size_t offset) {
    if (rules_.size() >= kGrammarRulesMax) {
      return Refused(offset, absl::StrCat("more than ", kGrammarRulesMax,
                                          " rules, groups and optional repetitions"));
    }
    rules_.push_back({.name = std::move(name), .offset = offset});
    return static_cast<std::uint32_t>(rules_.size() - 1);
  }
  absl::Status Define(std::uint32_t rule, std::vector<Element> elements) {
    RETURN_IF_ERROR(CheckRoom(elements.size()));
    elements_ += elements.size();
    rules_[rule].elements = std::move(elements);
    rules_[rule].is_defined = true;
    return absl::OkStatus();
  }
  absl::Status CheckRoom(std::size_t more) const {
    if (elements_ + more <= kGrammarElementsMax) return absl::OkStatus();
    return Error(absl::StrCat("more than ", kGrammarElementsMax, " characters and references, ",
                              "each counted as often as it is repeated"));
  }

  absl::Status ReadRule() {
    const std::string_view name = ReadWord();
    if (name.empty()) return Error("the name of a rule is expected here");
    ASSIGN_OR_RETURN(const std::uint32_t rule, RuleOf(name));
    SkipSpace(Lines::kOne);
    if (text_.substr(at_, 3) != "::=") return Error("\"::=\" is expected here");
    at_ += 3;
    SkipSpace(Lines::kMany);
    RETURN_IF_ERROR(ReadAlternatives(rule, 0));
    if (at_ < text_.size() && Peek() != '\r' && Peek() != '\n') {
      return Error("the end of the rule is expected here");
    }
    SkipSpace(Lines::kMany);
    return absl::OkStatus();
  }

  absl::Status ReadAlternatives(std::uint32_t rule, std::size_t depth) {
    std::vector<Element> elements;
    RETURN_IF_ERROR(ReadSequence(rule, depth, elements));
    while (Peek() == '|') {
      ++at_;
      elements.push_back(kAlternative);
      SkipSpace(Lines::kMany);
      RETURN_IF_ERROR(ReadSequence(rule, depth, elements));
    }
    return Define(rule, std::move(elements));
  }

  absl::Status ReadSequence(std::uint32_t rule, std::size_t depth, std::vector<Element>& elements) {
    const Lines lines = depth > 0 ? Lines::kMany : Lines::kOne;
    std::size_t last = elements.size();  // Where what may be repeated begins.
    while (at_ < text_.size()) {
      const char c = Peek();
      if (c == '*' || c == '+' || c == '?' || c == '{') {
        ASSIGN_OR_RETURN(const Repetition repetition, ReadRepetition(lines));
        if (last == elements.size()) return Error("there is nothing before this to repeat");
        RETURN_IF_ERROR(Repeat(rule, repetition, last, elements));
        SkipSpace(lines);
        continue;
      }
      const std::size_t begin = elements.size();
      ASSIGN_OR_RETURN(const bool is_item, ReadItem(rule, depth, elements));
      if (!is_item) return absl::OkStatus();
      last = begin;
      SkipSpace(lines);
    }
    return absl::OkStatus();
  }

  // False: none begins here.
  absl::StatusOr<bool> ReadItem(std::uint32_t rule, std::size_t depth,
                                std::vector<Element>& elements) {
    const char c = Peek();
    absl::Status status;
    if (c == '"') {
      status = ReadLiteral(elements);
    } else if (c == '[') {
      status = ReadClass(elements);
    } else if (c == '<' || c == '!') {
      status = ReadToken(elements);
    } else if (c == '(') {
      status = ReadGroup(rule, depth + 1, elements);
    } else if (c == '.') {
      ++at_;
      elements.push_back(kTerminal);
    } else if (IsWord(c)) {
      ASSIGN_OR_RETURN(const std::uint32_t other, RuleOf(ReadWord()));
      elements.push_back(other);
    } else {
      return false;
    }
    RETURN_IF_ERROR(status);
    return true;
  }

  absl::Status ReadLiteral(std::vector<Element>& elements) {
    for (++at_; Peek() != '"';) {
      RETURN_IF_ERROR(ReadCharacter("this text"));
      elements.push_back(kTerminal);
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::Status ReadClass(std::vector<Element>& elements) {
    ++at_;
    if (Peek() == '^') ++at_;
    while (Peek() != ']') {
      RETURN_IF_ERROR(ReadCharacter("these characters"));
      elements.push_back(kTerminal);
      if (Peek() != '-' || Peek(1) == ']') continue;
      ++at_;
      RETURN_IF_ERROR(ReadCharacter("these characters"));
      elements.push_back(kTerminal);
    }
    ++at_;
    return absl::OkStatus();
  }

  // "<|end|>" or "<[32000]>", or with a "!" before it any other token.
  absl::Status ReadToken(std::vector<Element>& elements) {
    if (Peek() == '!') ++at_;
    if (Peek() != '<') return Error("\"<\" is expected here");
    const std::size_t end = text_.find('>', at_);
    if (end == std::string_view::npos || end - at_ > kGrammarNameBytesMax) {
      return Error("this token has no end");
    }
    at_ = end + 1;
    elements.push_back(kTerminal);
    return absl::OkStatus();
  }

  absl::Status ReadGroup(std::uint32_t rule, std::size_t depth, std::vector<Element>& elements) {
    if (depth > kGrammarDepthMax) {
      return Error(absl::StrCat("more than ", kGrammarDepthMax, " parentheses within each other"));
    }
    const std::size_t begin = at_;
    ++at_;
    SkipSpace(Lines::kMany);
    ASSIGN_OR_RETURN(const std::uint32_t group, MakeRule(rules_[rule].name, begin));
    RETURN_IF_ERROR(ReadAlternatives(group, depth));
    if (Peek() != ')') return Error("\")\" is expected here");
    ++at_;
    elements.push_back(group);
    return absl::OkStatus();
  }

  absl::Status ReadCharacter(const char* within) {
    const char c = Peek();
    if (at_ >= text_.size()) return Error(absl::StrCat(within, " has no end"));
    if (c == '\\') return ReadEscape();
    ++at_;
    while (at_ < text_.size() && (static_cast<unsigned char>(Peek()) & 0xC0) == 0x80) ++at_;
    return absl::OkStatus();
  }

  absl::Status ReadEscape() {
    constexpr std::string_view kPlain = "trn\\\"[]-";
    const char c = Peek(1);
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 && (c == '\0' || kPlain.find(c) == std::string_view::npos)) {
      return Error("there is no such escape");
    }
    for (std::size_t i = 2; i < 2 + digits; ++i) {
      if (!std::isxdigit(static_cast<unsigned char>(Peek(i)))) {
        return Error(absl::StrCat(digits, " hexadecimal digits are expected here"));
      }
    }
    at_ += 2 + digits;
    return absl::OkStatus();
  }

  absl::StatusOr<Repetition> ReadRepetition(Lines lines) {
    const char c = Peek();
    if (c == '*') return ++at_, Repetition{0, kNoMaximum};
    if (c == '+') return ++at_, Repetition{1, kNoMaximum};
    if (c == '?') return ++at_, Repetition{0, 1};
    const std::size_t begin = at_;
    ++at_;
    SkipSpace(lines);
    Repetition repetition;
    ASSIGN_OR_RETURN(repetition.least, ReadNumber());
    repetition.most = repetition.least;
    SkipSpace(lines);
    if (Peek() == ',') {
      ++at_;
      SkipSpace(lines);
      repetition.most = kNoMaximum;
      if (IsDigit(Peek())) {
        ASSIGN_OR_RETURN(repetition.most, ReadNumber());
        SkipSpace(lines);
      }
    }
    if (Peek() != '}') return Error("\"}\" is expected here");
    ++at_;
    // llama.cpp counts from one to the other, around all numbers if need be.
    if (repetition.most < repetition.least) return Refused(begin, "at most fewer than at least");
    return repetition;
  }

  absl::StatusOr<std::uint64_t> ReadNumber() {
    const std::size_t begin = at_;
    while (IsDigit(Peek())) ++at_;
    if (begin == at_) return Error("a number is expected here");
    std::uint64_t number = 0;
    if (!absl::SimpleAtoi(std::string(text_.substr(begin, at_ - begin)), &number) ||
        number > kGrammarRepeatMax) {
      return Refused(begin, absl::StrCat("more than ", kGrammarRepeatMax, " repetitions"));
    }
    return number;
  }

  // What begins at `last`, S, becomes S ... S S', with S' ::= S S' | for no maximum, and else one
  // such rule for each that may be left out.
  absl::Status Repeat(std::uint32_t rule, Repetition repetition, std::size_t last,
                      std::vector<Element>& elements) {
    const std::vector<Element> repeated(elements.begin() + static_cast<std::ptrdiff_t>(last),
                                        elements.end());
    const bool has_maximum = repetition.most != kNoMaximum;
    const std::uint64_t optional = has_maximum ? repetition.most - repetition.least : 1;
    CHECK(repetition.least <= kGrammarRepeatMax && optional <= kGrammarRepeatMax);
    RETURN_IF_ERROR(CheckRoom(last + repeated.size() * repetition.least));
    elements.resize(last);
    for (std::uint64_t i = 0; i < repetition.least; ++i) {
      elements.insert(elements.end(), repeated.begin(), repeated.end());
    }
    std::optional<std::uint32_t> tail;
    for (std::uint64_t i = 0; i < optional; ++i) {
      ASSIGN_OR_RETURN(const std::uint32_t made, MakeRule(rules_[rule].name, at_));
      std::vector<Element> again = repeated;
      if (!has_maximum) again.push_back(made);
      if (tail) again.push_back(*tail);
      again.push_back(kAlternative);
      RETURN_IF_ERROR(Define(made, std::move(again)));
      tail = made;
    }
    if (tail) elements.push_back(*tail);
    return absl::OkStatus();
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Rule> rules_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;  // Of the rules that have a name.
  std::size_t elements_ = 0;                                   // Of the rules that are defined.
};

absl::Status CheckNames(const std::vector<Rule>& rules) {
  bool has_root = false;
  for (const Rule& rule : rules) {
    if (!rule.is_defined) {
      return Refused(rule.offset, absl::StrCat("the rule \"", rule.name, "\" is not defined"));
    }
    has_root = has_root || rule.name == "root";
  }
  if (has_root) return absl::OkStatus();
  return absl::InvalidArgumentError("the grammar has no rule \"root\"");
}

// Which rules may be empty. Linear: each alternative waits for the references that it consists of.
std::vector<bool> MayBeEmpty(const std::vector<Rule>& rules) {
  struct Waiting {
    std::uint32_t rule = 0;
    std::size_t left = 0;  // References to rules of which it is not known yet.
  };
  std::vector<Waiting> alternatives;
  std::vector<std::vector<std::size_t>> waiting(rules.size());  // For each rule, alternatives.
  std::vector<std::uint32_t> found;
  std::vector<bool> may_be_empty(rules.size());
  const auto find = [&](std::uint32_t rule) {
    if (!may_be_empty[rule]) found.push_back(rule);
    may_be_empty[rule] = true;
  };
  for (std::uint32_t rule = 0; rule < rules.size(); ++rule) {
    const std::vector<Element>& elements = rules[rule].elements;
    for (auto begin = elements.begin();;) {
      const auto end = std::find(begin, elements.end(), kAlternative);
      if (begin == end) find(rule);
      if (begin != end && std::all_of(begin, end, IsRule)) {
        for (auto it = begin; it != end; ++it) waiting[*it].push_back(alternatives.size());
        alternatives.push_back({rule, static_cast<std::size_t>(end - begin)});
      }
      if (end == elements.end()) break;
      begin = end + 1;
    }
  }
  while (!found.empty()) {
    const std::uint32_t rule = found.back();
    found.pop_back();
    for (const std::size_t alternative : waiting[rule]) {
      if (--alternatives[alternative].left == 0) find(alternatives[alternative].rule);
    }
  }
  return may_be_empty;
}

// Where a rule may begin: goes down the references that nothing stands before.
class Beginnings {
 public:
  explicit Beginnings(const std::vector<Rule>& rules)
      : rules_(rules), may_be_empty_(MayBeEmpty(rules)), measures_(rules.size()) {}

  absl::Status Check() {
    for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) RETURN_IF_ERROR(Descend(rule));
    std::uint64_t visits = 0;
    for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
      RETURN_IF_ERROR(CheckInside(rule));
      visits += measures_[rule].visits;
      if (visits > kVisitsMax) return TooMany(rule);
    }
    return absl::OkStatus();
  }

 private:
  enum class State : std::uint8_t { kNew, kOpen, kDone };
  struct Measures {
    State state = State::kNew;
    std::uint64_t ways = 0;    // To where the first character may be; and one for the rule.
    std::uint64_t visits = 0;  // Of elements, on all paths down from here.
  };

  // The rules with which `rule` may begin, each as often as it stands there.
  std::vector<std::uint32_t> FirstOf(std::uint32_t rule) const {
    std::vector<std::uint32_t> first;
    bool is_first = true;
    for (const Element element : rules_[rule].elements) {
      if (is_first && IsRule(element)) first.push_back(element);
      const bool is_passed = element == kAlternative || (IsRule(element) && may_be_empty_[element]);
      is_first = element == kAlternative || (is_first && is_passed);
    }
    return first;
  }

  // Depth first, with a stack of its own.
  absl::Status Descend(std::uint32_t from) {
    if (measures_[from].state == State::kDone) return absl::OkStatus();
    struct Open {
      std::uint32_t rule;
      std::vector<std::uint32_t> first;
    };
    std::vector<Open> open;
    const auto enter = [&](std::uint32_t rule) {
      measures_[rule].state = State::kOpen;
      open.push_back({rule, FirstOf(rule)});
    };
    enter(from);
    while (!open.empty()) {
      if (open.back().first.empty()) {
        const std::uint32_t rule = open.back().rule;
        open.pop_back();
        RETURN_IF_ERROR(Measure(rule));
        continue;
      }
      const std::uint32_t next = open.back().first.back();
      open.back().first.pop_back();
      if (measures_[next].state == State::kOpen) {
        return Refused(rules_[next].offset,
                       absl::StrCat("the rule \"", rules_[next].name,
                                    "\", or a repetition in it, may begin with itself"));
      }
      if (measures_[next].state == State::kNew) enter(next);
    }
    return absl::OkStatus();
  }

  // Requires that the rules with which it may begin are measured.
  absl::Status Measure(std::uint32_t rule) {
    Measures& measures = measures_[rule];
    const std::vector<Element>& elements = rules_[rule].elements;
    measures = {.state = State::kDone, .ways = 1, .visits = 1 + elements.size()};
    bool is_first = true;
    for (const Element element : elements) {
      if (element == kAlternative) {
        is_first = true;
      } else if (is_first) {
        measures.ways += IsRule(element) ? measures_[element].ways : 1;
        measures.visits += IsRule(element) ? measures_[element].visits : 0;
        is_first = IsRule(element) && may_be_empty_[element];
      }
      if (measures.ways > kGrammarWaysMax || measures.visits > kVisitsMax) return TooMany(rule);
    }
    return absl::OkStatus();
  }

  // The same from every place within the rule. Requires that all rules are measured.
  absl::Status CheckInside(std::uint32_t rule) const {
    const std::vector<Element>& elements = rules_[rule].elements;
    std::uint64_t ways = 0;
    for (std::size_t i = elements.size(); i-- > 0;) {
      const bool is_rule = IsRule(elements[i]);
      if (!is_rule || !may_be_empty_[elements[i]]) ways = 0;
      ways += is_rule ? measures_[elements[i]].ways : 1;
      if (ways > kGrammarWaysMax) return TooMany(rule);
    }
    return absl::OkStatus();
  }

  absl::Status TooMany(std::uint32_t rule) const {
    return Refused(rules_[rule].offset,
                   absl::StrCat("the rule \"", rules_[rule].name, "\" may go on in more than ",
                                kGrammarWaysMax, " ways at once"));
  }

  const std::vector<Rule>& rules_;
  const std::vector<bool> may_be_empty_;
  std::vector<Measures> measures_;
};

}  // namespace

absl::Status CheckGrammar(std::string_view grammar) {
  if (grammar.size() > kGrammarBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the grammar has ", grammar.size(), " bytes; at most ", kGrammarBytesMax));
  }
  if (const std::size_t nul = grammar.find('\0'); nul != std::string_view::npos) {
    return Refused(nul, "a NUL");
  }
  if (!IsValidUtf8(grammar)) return absl::InvalidArgumentError("the grammar is not UTF-8");
  ASSIGN_OR_RETURN(const std::vector<Rule> rules, Reader(grammar).Read());
  RETURN_IF_ERROR(CheckNames(rules));
  return Beginnings(rules).Check();
}

}  // namespace coterie::llm
