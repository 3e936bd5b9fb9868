#include "crdt/columns.h"

#include "base/check.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";
constexpr std::string_view kStringsEnd = "the strings end before the structs do";
constexpr std::string_view kColumnEnds = "a column ends before the structs do";

constexpr std::size_t kRunBytesMax = 2 * kVarUintBytesMax;

// Whether something comes more than once is foretold well enough, how long an integer is is not.
char* PutTimes(std::uint64_t times, char* to) { return times > 1 ? PutVarUint(times - 2, to) : to; }

char* PutUints(std::uint64_t times, std::uint64_t value, char* to) {
  if (times == 0) return to;
  return PutTimes(times, PutVarInt(value, times > 1, to));
}

char* PutDifferences(std::uint64_t times, std::int64_t difference, char* to) {
  if (times == 0) return to;
  const std::int64_t written = difference * 2 + (times > 1 ? 1 : 0);
  const auto bits = static_cast<std::uint64_t>(written);
  const std::uint64_t magnitude = written < 0 ? 0 - bits : bits;
  return PutTimes(times, PutVarInt(magnitude, written < 0, to));
}

// Fails where the reader itself would not say that it is the column that is too short.
bool HasMore(Lib0Reader& in) {
  if (in.ok() && in.AtEnd()) in.Fail(kColumnEnds);
  return in.ok();
}

// The varString at the front; `bytes` is moved behind it.
std::string_view TakeText(Lib0Reader& bytes) { return bytes.VarString(); }

}  // namespace

void RunUintWriter::Flush() {
  out_.Keep(PutUints(times_, value_, out_.Room(kRunBytesMax)));
  times_ = 0;
}

void RunUintWriter::WriteAll(std::span<const std::uint64_t> values) {
  char* to = out_.Room(kRunBytesMax * values.size());
  std::uint64_t last = value_;
  std::uint64_t times = times_;
  for (const std::uint64_t value : values) {
    if (value != last) {
      to = PutUints(times, last, to);
      times = 0;
      last = value;
    }
    ++times;
  }
  out_.Keep(to);
  value_ = last;
  times_ = times;
}

std::string RunUintWriter::Take() {
  Flush();
  return out_.Take();
}

bool RunUintReader::ReadRun() {
  if (!HasMore(in_)) return false;
  const Lib0Reader::SignedInt value = in_.VarInt();
  value_ = value.magnitude;
  times_ = value.is_negative ? in_.VarUint() + 2 : 1;
  if (!in_.ok()) times_ = 0;
  return in_.ok();
}

void RunDifferenceWriter::Flush() {
  out_.Keep(PutDifferences(times_, difference_, out_.Room(kRunBytesMax)));
  times_ = 0;
}

void RunDifferenceWriter::WriteAll(std::span<const std::uint64_t> values) {
  char* to = out_.Room(kRunBytesMax * values.size());
  std::int64_t before = value_;
  std::int64_t last = difference_;
  std::uint64_t times = times_;
  for (const std::uint64_t value : values) {
    const std::int64_t difference = static_cast<std::int64_t>(value) - before;
    if (difference != last) {
      to = PutDifferences(times, last, to);
      times = 0;
      last = difference;
    }
    ++times;
    before = static_cast<std::int64_t>(value);
  }
  out_.Keep(to);
  value_ = before;
  difference_ = last;
  times_ = times;
}

std::string RunDifferenceWriter::Take() {
  Flush();
  return out_.Take();
}

bool RunDifferenceReader::ReadRun() {
  if (!HasMore(in_)) return false;
  const Lib0Reader::SignedInt read = in_.VarInt();
  const auto magnitude = static_cast<std::int64_t>(read.magnitude);
  const std::int64_t written = read.is_negative ? -magnitude : magnitude;
  const bool is_run = (written & 1) != 0;
  difference_ = (written - (is_run ? 1 : 0)) / 2;
  times_ = is_run ? in_.VarUint() + 2 : 1;
  if (!in_.ok()) times_ = 0;
  return in_.ok();
}

std::uint64_t RunDifferenceReader::Next() {
  if (times_ == 0 && !ReadRun()) return 0;
  --times_;
  value_ += difference_;  // Below 2^53 before, and so is the difference.
  if (value_ >= 0 && static_cast<std::uint64_t>(value_) <= max_) {
    return static_cast<std::uint64_t>(value_);
  }
  in_.Fail("a clock is below 0 or above 2^32 - 1");
  value_ = 0;
  return 0;
}

void RunByteWriter::Begin(std::uint8_t value) {
  if (times_ > 0) out_.VarUint(times_ - 1);
  out_.U8(value);
  value_ = value;
  times_ = 0;
}

void RunByteWriter::WriteAll(std::span<const std::uint8_t> values) {
  if (values.empty()) return;
  Write(values[0]);
  char* to = out_.Room(kRunBytesMax * values.size());
  std::uint8_t last = value_;
  std::uint64_t times = times_;
  for (const std::uint8_t value : values.subspan(1)) {
    char* const end = PutVarUint(times - 1, to);
    *end = static_cast<char>(value);
    to = value != last ? end + 1 : to;
    times = value != last ? 1 : times + 1;
    last = value;
  }
  out_.Keep(to);
  value_ = last;
  times_ = times;
}

bool RunByteReader::ReadRun() {
  if (!HasMore(in_)) return false;
  value_ = in_.U8();
  is_last_ = in_.AtEnd();
  times_ = is_last_ ? 0 : in_.VarUint() + 1;
  if (!in_.ok()) times_ = 0;
  return in_.ok();
}

void StringsWriter::Write(std::string_view text) { Write(text, Utf16Length(text)); }

std::string StringsWriter::Take() {
  Lib0Writer out;
  const std::string lengths = lengths_.Take();
  out.Reserve(text_.size_bytes() + lengths.size() + 10);
  out.VarBytes(text_.view());
  out.Raw(lengths);
  return out.Take();
}

StringsReader::StringsReader(Lib0Reader bytes)
    : text_(TakeText(bytes)), is_ascii_(Utf16Length(text_) == text_.size()), lengths_(bytes) {}

std::string_view StringsReader::Next(std::uint64_t& units) {
  units = lengths_.Next();
  if (!is_ascii_) return NextWide(units);
  if (units > text_.size() - at_) in().Fail(kStringsEnd);
  const std::string_view text = text_.substr(at_, units);
  at_ += text.size();
  return text;
}

std::string_view StringsReader::NextWide(std::uint64_t units) {
  std::uint64_t left = units;
  halved_.clear();
  if (has_half_ && left > 0) {
    halved_ = kReplacement;
    has_half_ = false;
    --left;
  }
  const std::size_t begin = at_;
  // No text has more units than bytes, so as many bytes as there are units left are not too many.
  constexpr std::uint64_t kManyUnits = 32;
  while (left > kManyUnits && text_.size() - at_ > left) {
    std::size_t end = at_ + left;
    while (IsContinuationByte(text_[end])) --end;
    left -= Utf16Length(text_.substr(at_, end - at_));
    at_ = end;
  }
  while (left > 0 && at_ < text_.size()) {
    const std::size_t length = CodePointLength(text_.substr(at_));
    CHECK(length > 0);  // It was read as a string.
    if (length == 4 && left == 1) {
      halved_.append(text_.substr(begin, at_ - begin)).append(kReplacement);
      at_ += length;
      has_half_ = true;
      return halved_;
    }
    at_ += length;
    left -= length == 4 ? 2 : 1;
  }
  if (left > 0) in().Fail(kStringsEnd);
  const std::string_view text = text_.substr(begin, at_ - begin);
  return halved_.empty() ? text : halved_.append(text);
}

}  // namespace coterie::crdt
