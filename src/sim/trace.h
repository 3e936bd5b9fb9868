#pragma once

// What happened in a run, in order: a digest of all of it always, so that two runs of one seed can
// be shown to be the same, and readable lines when somebody asks for them. Owner: the run.

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

namespace coterie::sim {

class Trace {
 public:
  // Lines go to `out`; null = only the digest.
  explicit Trace(std::FILE* out) : out_(out) {}

  // Everything that decides how a run goes on passes here.
  void Note(std::uint64_t now_us, std::string_view what,
            std::initializer_list<std::uint64_t> numbers) {
    ++events_;
    Mix(now_us);
    for (const char letter : what) Mix(static_cast<unsigned char>(letter));
    for (const std::uint64_t number : numbers) Mix(number);
    if (out_ != nullptr) Print(now_us, what, numbers);
  }
  bool IsPrinting() const { return out_ != nullptr; }
  // A line for the reader alone; not part of the digest.
  void Say(std::uint64_t now_us, std::string_view line) {
    if (out_ == nullptr) return;
    static_cast<void>(std::fprintf(out_, "%9.3f  %.*s\n", static_cast<double>(now_us) / 1'000,
                                   static_cast<int>(line.size()), line.data()));
  }

  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }

 private:
  void Mix(std::uint64_t value) {
    digest_ = (digest_ ^ value) * 0x9e3779b97f4a7c15;
    digest_ ^= digest_ >> 29;
  }
  void Print(std::uint64_t now_us, std::string_view what,
             std::initializer_list<std::uint64_t> numbers) {
    std::string line(what);
    for (const std::uint64_t number : numbers) line += " " + std::to_string(number);
    Say(now_us, line);
  }

  std::FILE* out_;
  std::uint64_t digest_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace coterie::sim
