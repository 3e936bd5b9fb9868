#pragma once

// How much a view of a document may come to, so that reading what somebody made for that purpose
// cannot fill the memory: attributes in force are said again with every piece of a text, the rows
// of a table are as wide as its widest. Measured by what is read, as bytes that do not depend on
// how items are cut: the same for all who have the same document. One owner, for one view.

#include <cstdint>
#include <limits>

namespace coterie::crdt {

class ViewBudget {
 public:
  // What a view may come to in any case, and how many times what is read beyond that.
  static constexpr std::uint64_t kFloorBytes = std::uint64_t{16} << 20;
  static constexpr std::uint64_t kGrowthMax = 16;

  ViewBudget() : ViewBudget(kFloorBytes) {}
  explicit ViewBudget(std::uint64_t floor_bytes) : left_(floor_bytes) {}
  // For who trusts the document, or has the memory.
  static ViewBudget Unbounded() {
    return ViewBudget(std::numeric_limits<std::uint64_t>::max() / 2);
  }

  void Read(std::uint64_t bytes) { left_ += kGrowthMax * bytes; }
  // False if that is too much: then, and ever after, the view is incomplete and of no use.
  bool Spend(std::uint64_t bytes) {
    is_spent_ = is_spent_ || bytes > left_;
    if (!is_spent_) left_ -= bytes;
    return !is_spent_;
  }
  bool is_spent() const { return is_spent_; }

 private:
  std::uint64_t left_;
  bool is_spent_ = false;
};

}  // namespace coterie::crdt
