#include "crdt/json.h"

namespace coterie::crdt {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Each verb reads what its name says and answers whether it was there; where it was not, at_ is.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Malformed Check() {
    if (Value(0)) {
      Space();
      if (at_ == text_.size()) return {};
    }
    return {.offset_bytes = at_, .reason = reason_};
  }

 private:
  // NUL at the end, which no token begins with.
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void Space() {
    while (Peek() == ' ' || Peek() == '\n' || Peek() == '\t' || Peek() == '\r') ++at_;
  }

  bool Take(char wanted) {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool Digits() {
    if (!IsDigit(Peek())) return false;
    while (IsDigit(Peek())) ++at_;
    return true;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (!Take('e') && !Take('E')) return true;
    if (!Take('+')) Take('-');
    return Digits();
  }

  bool Escape() {
    constexpr std::string_view kSingle = "\"\\/bfnrt";
    if (Take('u')) {
      for (int i = 0; i < 4; ++i, ++at_) {
        if (!IsHexDigit(Peek())) return false;
      }
      return true;
    }
    if (at_ == text_.size() || kSingle.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }

  bool String() {
    if (!Take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return false;
      ++at_;
      if (c == '"') return true;
      if (c == '\\' && !Escape()) return false;
    }
    return false;
  }

  bool Member(int depth) {
    Space();
    if (!String()) return false;
    Space();
    return Take(':') && Value(depth);
  }

  bool Items(char last, int depth) {
    ++at_;
    if (depth == kJsonDepthMax) {
      reason_ = "a JSON value is nested too deeply";
      return false;
    }
    Space();
    if (Take(last)) return true;
    do {
      if (last == '}' ? !Member(depth + 1) : !Value(depth + 1)) return false;
      Space();
    } while (Take(','));
    return Take(last);
  }

  bool Value(int depth) {
    Space();
    switch (Peek()) {
      case '{':
        return Items('}', depth);
      case '[':
        return Items(']', depth);
      case '"':
        return String();
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string_view reason_ = "a value is not JSON";
};

}  // namespace

Malformed CheckJson(std::string_view text) { return Checker(text).Check(); }

}  // namespace coterie::crdt
