#include "spell/dictionary.h"

#include <algorithm>
#include <filesystem>
#include <hunspell/hunspell.hxx>
#include <optional>
#include <system_error>
#include <utility>

#include "base/utf8.h"

namespace coterie::spell {
namespace {

bool IsName(const std::string& language) {
  return !language.empty() && std::all_of(language.begin(), language.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
}

// Latin-1 and -9 have the same letters where English and its neighbours are concerned; what has no
// place in them is no word of the dictionary.
std::optional<std::string> ToLatin(std::string_view text) {
  std::string latin;
  while (!text.empty()) {
    const std::size_t length = CodePointLength(text);
    if (length == 0) return std::nullopt;
    const char32_t point = DecodeCodePoint(text, length);
    if (point > 0xff) return std::nullopt;
    latin.push_back(static_cast<char>(point));
    text.remove_prefix(length);
  }
  return latin;
}

std::string FromLatin(std::string_view latin) {
  std::string text;
  for (const char c : latin) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text.push_back(c);
    } else {
      text.push_back(static_cast<char>(0xc0 | byte >> 6));
      text.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return text;
}

}  // namespace

class Dictionary::Impl {
 public:
  Impl(const std::string& affixes, const std::string& words)
      : hunspell_(affixes.c_str(), words.c_str()) {}

  bool IsReadable() const { return IsUtf8() || IsLatin(); }
  bool Knows(std::string_view word) {
    const std::optional<std::string> encoded = Encode(word);
    return encoded && hunspell_.spell(*encoded);
  }
  std::vector<std::string> Suggest(std::string_view word) {
    std::vector<std::string> suggestions;
    const std::optional<std::string> encoded = Encode(word);
    if (!encoded) return suggestions;
    for (const std::string& suggestion : hunspell_.suggest(*encoded)) {
      suggestions.push_back(IsUtf8() ? suggestion : FromLatin(suggestion));
    }
    std::erase_if(suggestions, [](const std::string& text) { return !IsValidUtf8(text); });
    return suggestions;
  }

 private:
  bool IsUtf8() const { return hunspell_.get_dict_encoding() == "UTF-8"; }
  bool IsLatin() const {
    const std::string& encoding = hunspell_.get_dict_encoding();
    return encoding == "ISO8859-1" || encoding == "ISO8859-15";
  }
  std::optional<std::string> Encode(std::string_view word) const {
    return IsUtf8() ? std::optional<std::string>(word) : ToLatin(word);
  }

  Hunspell hunspell_;
};

Dictionary::Dictionary(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Dictionary::~Dictionary() = default;

std::unique_ptr<Dictionary> Dictionary::Open(const std::string& folder,
                                             const std::string& language) {
  if (!IsName(language)) return nullptr;
  const std::string affixes = folder + "/" + language + ".aff";
  const std::string words = folder + "/" + language + ".dic";
  std::error_code error;
  if (!std::filesystem::exists(affixes, error) || !std::filesystem::exists(words, error)) {
    return nullptr;
  }
  auto impl = std::make_unique<Impl>(affixes, words);
  if (!impl->IsReadable()) return nullptr;
  return std::unique_ptr<Dictionary>(new Dictionary(std::move(impl)));
}

bool Dictionary::Knows(std::string_view word) {
  absl::MutexLock lock(&mutex_);
  return impl_->Knows(word);
}

std::vector<std::string> Dictionary::Suggest(std::string_view word) {
  absl::MutexLock lock(&mutex_);
  return impl_->Suggest(word);
}

}  // namespace coterie::spell
