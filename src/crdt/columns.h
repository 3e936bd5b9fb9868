#pragma once

// The columns of Yjs's update format V2: sequences of numbers, bytes and strings, each written on
// its own with runs of equal values, or of equal differences, counted. Readers report to the
// Lib0Reader that they were made with. Pure values; one owner.
// Source: lib0 0.2, encoding.js and decoding.js, from RleEncoder on.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "crdt/lib0.h"

namespace coterie::crdt {

// Numbers that repeat: varInt, negative if it comes more than once; then varUint(times - 2).
class RunUintWriter {
 public:
  void Write(std::uint64_t value, std::uint64_t times = 1) {
    if (value != value_) Flush();
    value_ = value;
    times_ += times;
  }
  void WriteAll(std::span<const std::uint64_t> values);
  std::string Take();

 private:
  void Flush();
  Lib0Writer out_;
  std::uint64_t value_ = 0;
  std::uint64_t times_ = 0;
};

class RunUintReader {
 public:
  explicit RunUintReader(Lib0Reader bytes) : in_(bytes) {}
  // 0 when it has failed.
  std::uint64_t Next() {
    if (times_ == 0 && !ReadRun()) return 0;
    --times_;
    return value_;
  }
  Lib0Reader& in() { return in_; }
  const Lib0Reader& in() const { return in_; }
  bool AtEnd() const { return times_ == 0 && in_.AtEnd(); }
  // How often `value` comes next, as far as is known at once. Who asks must need the next value.
  std::uint64_t TimesOf(std::uint64_t value) {
    return (times_ > 0 || ReadRun()) && value_ == value ? times_ : 0;
  }
  // Of a run that has begun alone.
  std::uint64_t TimesLeftOf(std::uint64_t value) const { return value_ == value ? times_ : 0; }
  // Requires as many to be there.
  void Skip(std::uint64_t times) { times_ -= times; }

 private:
  bool ReadRun();
  Lib0Reader in_;
  std::uint64_t value_ = 0;
  std::uint64_t times_ = 0;
};

// Numbers that grow evenly: varInt(2 * difference + (does it come more than once)); then
// varUint(times - 2).
class RunDifferenceWriter {
 public:
  void Write(std::uint64_t value) { WriteSteps(static_cast<std::int64_t>(value) - value_, 1); }
  // So many values, each higher than the one before by `step`.
  void WriteSteps(std::int64_t step, std::uint64_t times) {
    if (step != difference_) Flush();
    difference_ = step;
    value_ += step * static_cast<std::int64_t>(times);
    times_ += times;
  }
  void WriteAll(std::span<const std::uint64_t> values);
  std::string Take();

 private:
  void Flush();
  Lib0Writer out_;
  std::int64_t value_ = 0;
  std::int64_t difference_ = 0;
  std::uint64_t times_ = 0;
};

class RunDifferenceReader {
 public:
  // Fails at values above `max`.
  RunDifferenceReader(Lib0Reader bytes, std::uint64_t max) : in_(bytes), max_(max) {}
  std::uint64_t Next();
  Lib0Reader& in() { return in_; }
  const Lib0Reader& in() const { return in_; }
  bool AtEnd() const { return times_ == 0 && in_.AtEnd(); }
  // How many values come next, each by `step` above the one before, as far as is known at once. Who
  // asks must need the next value.
  std::uint64_t TimesOf(std::int64_t step) {
    return (times_ > 0 || ReadRun()) && difference_ == step ? times_ : 0;
  }
  // Of a run that has begun alone.
  std::uint64_t TimesLeftOf(std::int64_t step) const { return difference_ == step ? times_ : 0; }
  // The last one that was given.
  std::uint64_t last() const { return static_cast<std::uint64_t>(value_); }
  // Requires as many to be there, and the last one not to be above the maximum.
  void Skip(std::uint64_t times) {
    times_ -= times;
    value_ += difference_ * static_cast<std::int64_t>(times);
  }

 private:
  bool ReadRun();
  Lib0Reader in_;
  std::uint64_t max_;
  std::int64_t value_ = 0;
  std::int64_t difference_ = 0;
  std::uint64_t times_ = 0;
};

// Bytes that repeat: the byte, varUint(times - 1), but for the last one, which has no end.
class RunByteWriter {
 public:
  void Write(std::uint8_t value, std::uint64_t times = 1) {
    if (value != value_ || times_ == 0) Begin(value);
    times_ += times;
  }
  void WriteAll(std::span<const std::uint8_t> values);
  std::string Take() { return out_.Take(); }

 private:
  void Begin(std::uint8_t value);
  Lib0Writer out_;
  std::uint8_t value_ = 0;
  std::uint64_t times_ = 0;
};

class RunByteReader {
 public:
  explicit RunByteReader(Lib0Reader bytes) : in_(bytes) {}
  // 0 when it has failed.
  std::uint8_t Next() {
    if (times_ == 0 && !is_last_ && !ReadRun()) return 0;
    times_ -= is_last_ ? 0 : 1;
    return value_;
  }
  Lib0Reader& in() { return in_; }
  const Lib0Reader& in() const { return in_; }
  bool AtEnd() const { return (is_last_ || times_ == 0) && in_.AtEnd(); }
  // The next one, and how often it comes; 0 if it has failed. Who asks must need it.
  std::uint64_t Peek(std::uint8_t& value) {
    const bool has_one = times_ > 0 || is_last_ || ReadRun();
    value = value_;
    if (is_last_) return std::numeric_limits<std::uint64_t>::max();
    return has_one ? times_ : 0;
  }
  // Requires as many to be there.
  void Skip(std::uint64_t times) { times_ -= is_last_ ? 0 : times; }

 private:
  bool ReadRun();
  Lib0Reader in_;
  std::uint8_t value_ = 0;
  std::uint64_t times_ = 0;
  bool is_last_ = false;
};

// Strings: varString of all of them, then their lengths in UTF-16 units as a RunUint column. A
// string may be cut within a code point of two units: then each half is read as U+FFFD.
class StringsWriter {
 public:
  void Write(std::string_view text);
  // The same of a text whose length in UTF-16 units is known.
  void Write(std::string_view text, std::uint64_t units) {
    text_.Raw(text);
    lengths_.Write(units);
  }
  // The lengths of texts that the caller writes before the next call.
  Lib0Writer& WriteLengths(std::span<const std::uint64_t> units) {
    lengths_.WriteAll(units);
    return text_;
  }
  // So many of one ASCII letter each, which the caller writes before the next call.
  Lib0Writer& WriteLetters(std::uint64_t letters) {
    lengths_.Write(1, letters);
    return text_;
  }
  std::string Take();

 private:
  Lib0Writer text_;
  RunUintWriter lengths_;
};

class StringsReader {
 public:
  explicit StringsReader(Lib0Reader bytes);
  // `units` is set to its length in UTF-16 units. The view lasts until the next call.
  std::string_view Next(std::uint64_t& units);
  Lib0Reader& in() { return lengths_.in(); }
  const Lib0Reader& in() const { return lengths_.in(); }
  bool AtEnd() const { return at_ == text_.size() && !has_half_ && lengths_.AtEnd(); }
  // How many ASCII letters come next, each a string, as far as is known at once. Who asks must need
  // the next string.
  std::uint64_t Letters() {
    return is_ascii_ ? std::min<std::uint64_t>(lengths_.TimesOf(1), text_.size() - at_) : 0;
  }
  // Of a run that has begun alone.
  std::uint64_t LettersLeft() const { return is_ascii_ ? lengths_.TimesLeftOf(1) : 0; }
  // Requires as many to be there.
  std::string_view TakeLetters(std::uint64_t letters) {
    lengths_.Skip(letters);
    at_ += letters;
    return text_.substr(at_ - letters, letters);
  }

 private:
  std::string_view NextWide(std::uint64_t units);

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_ascii_ = false;  // All of it.
  bool has_half_ = false;  // The second half of the code point before at_ is still to come.
  std::string halved_;     // One that begins or ends with a half.
  RunUintReader lengths_;
};

}  // namespace coterie::crdt
