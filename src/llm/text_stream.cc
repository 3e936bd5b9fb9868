#include "llm/text_stream.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace coterie::llm {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

// What the lead byte asks for: the sequence's length, and the bounds of its second byte (Unicode
// table 3-7). Length 0: no lead byte.
struct Lead {
  std::size_t length;
  std::uint8_t second_min;
  std::uint8_t second_max;
};

Lead LeadOf(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// A character at the beginning of `text`, or what there is of one.
struct Part {
  std::size_t bytes;  // At least 1.
  bool is_valid;      // So far.
  bool is_whole;      // False = more bytes could complete it.
};

Part FirstPart(std::string_view text) {
  CHECK(!text.empty());
  const Lead lead = LeadOf(static_cast<std::uint8_t>(text[0]));
  if (lead.length == 0) return {1, false, true};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {i, true, false};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const std::uint8_t least = i == 1 ? lead.second_min : 0x80;
    const std::uint8_t most = i == 1 ? lead.second_max : 0xBF;
    if (byte < least || byte > most) return {i, false, true};
  }
  return {lead.length, true, true};
}

// Replaces what is malformed; leaves an unfinished character at the end and returns its length.
std::size_t Repair(std::string& text) {
  std::string repaired;
  std::string_view rest = text;
  std::size_t unfinished = 0;
  while (!rest.empty()) {
    const Part part = FirstPart(rest);
    if (!part.is_whole) unfinished = part.bytes;
    if (part.is_valid) {
      repaired += rest.substr(0, part.bytes);
    } else {
      repaired += kReplacement;
    }
    rest.remove_prefix(part.bytes);
  }
  text = std::move(repaired);
  return unfinished;
}

// The longest end of `text` that is a beginning of `stop`, shorter than all of it.
std::size_t PossibleStop(std::string_view text, std::string_view stop) {
  for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

TextStream::TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) CHECK(!stop.empty());
}

std::string TextStream::Append(std::string_view bytes) {
  if (is_stopped_) return "";
  held_ += bytes;
  const std::size_t unfinished = Repair(held_);

  std::size_t stop_at = std::string::npos;
  std::size_t held_back = unfinished;
  for (const std::string& stop : stops_) {
    stop_at = std::min(stop_at, held_.find(stop));
    held_back = std::max(held_back, PossibleStop(held_, stop));
  }
  if (stop_at != std::string::npos) {
    is_stopped_ = true;
    std::string text = Emit(stop_at);
    held_.clear();
    return text;
  }
  // A stop string is whole characters, so what is held back begins at the beginning of one.
  return Emit(held_.size() - held_back);
}

std::string TextStream::Finish(Ending ending) {
  if (is_stopped_) return "";
  if (const std::size_t unfinished = Repair(held_); unfinished > 0) {
    held_.replace(held_.size() - unfinished, unfinished,
                  ending == Ending::kByModel ? kReplacement : "");
  }
  return Emit(held_.size());
}

std::string TextStream::Emit(std::size_t end) {
  CHECK(end <= held_.size());
  std::string text = held_.substr(0, end);
  held_.erase(0, end);
  return text;
}

}  // namespace coterie::llm
