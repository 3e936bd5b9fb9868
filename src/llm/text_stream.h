#pragma once

// Makes the text of an answer out of the bytes of its tokens: whole characters only, and nothing
// of a stop string. A token may end within a character or within a stop string; then what could
// still become one is held back until it is decided. Bytes that are no UTF-8 become U+FFFD, one for
// each maximal part (Unicode 15, 3.9, "U+FFFD Substitution of Maximal Subparts"). Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::llm {

class TextStream {
 public:
  // `stops` must not contain an empty string.
  explicit TextStream(std::vector<std::string> stops);

  // The text that is certain now; may be empty. After a stop string was met: nothing.
  std::string Append(std::string_view bytes);
  // What was held back, at the end of the answer. A character that a limit has cut in two is left
  // out; one that the model itself did not finish is malformed.
  enum class Ending : std::uint8_t { kByModel, kByLimit };
  std::string Finish(Ending ending);

  // Whether a stop string was met. It and what follows it are never given out.
  bool is_stopped() const { return is_stopped_; }

 private:
  std::string Emit(std::size_t end);

  const std::vector<std::string> stops_;
  std::string held_;  // Repaired UTF-8, plus an unfinished character at its end.
  bool is_stopped_ = false;
};

}  // namespace coterie::llm
