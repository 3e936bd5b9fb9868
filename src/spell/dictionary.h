#pragma once

// A dictionary of a language, as Debian's hunspell-* packages bring them. Hunspell behind the two
// questions that are asked of it. Any thread: one at a time is answered.

#include <absl/synchronization/mutex.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::spell {

class Dictionary {
 public:
  // Where Debian puts them.
  static constexpr char kFolder[] = "/usr/share/hunspell";

  // `language` as in the files' names, for example "en_US". Null: there is no such dictionary, or
  // one that is not in UTF-8, Latin-1 or Latin-9. Takes about 50 ms.
  static std::unique_ptr<Dictionary> Open(const std::string& folder, const std::string& language);
  ~Dictionary();
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  // Words are UTF-8.
  bool Knows(std::string_view word);
  // Most likely first.
  std::vector<std::string> Suggest(std::string_view word);

 private:
  class Impl;
  explicit Dictionary(std::unique_ptr<Impl> impl);

  absl::Mutex mutex_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::spell
