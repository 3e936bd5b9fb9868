#include "crdt/unit_cursor.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/item_store.h"
#include "crdt/lib0.h"

namespace coterie::crdt {
namespace {

std::size_t BytesOfLetters(std::string_view text, std::uint64_t units) {
  std::size_t bytes = 0;
  while (units > 0) {
    const std::size_t size = CodePointLength(text.substr(bytes));
    const std::uint64_t wide = size == 4 ? 2 : 1;
    CHECK(size > 0 && wide <= units);
    units -= wide;
    bytes += size;
  }
  return bytes;
}

std::size_t BytesOfValues(std::string_view values, ContentKind kind, std::uint64_t count) {
  Lib0Reader reader(values);
  for (; count > 0; --count) {
    static_cast<void>(kind == ContentKind::kAny ? reader.Any() : reader.VarBytes());
  }
  CHECK(reader.ok());
  return reader.offset_bytes();
}

}  // namespace

std::string_view ContentOf(const ItemStore& store, const Item& item) {
  if (item.kind() == ContentKind::kType) return {};
  return item.kind() == ContentKind::kString ? store.TextOf(item) : store.BytesOf(item);
}

UnitCursor::UnitCursor(const ItemStore& store, BranchRef branch)
    : store_(&store), item_(store.HeadOf(branch)) {
  Settle();
}

// On to the next item that is visible, beginning with this one.
void UnitCursor::Settle() {
  while (item_ != 0 && !store_->At(item_).IsVisible()) item_ = store_->At(item_).right;
  if (item_ == 0) return;
  const Item& item = store_->At(item_);
  left_ = item.length;
  bytes_ = ContentOf(*store_, item);
}

ContentKind UnitCursor::kind() const { return store_->At(item_).kind(); }

std::string_view UnitCursor::Take(std::uint64_t units) {
  CHECK(units > 0 && units <= left_);
  std::size_t size = bytes_.size();
  if (units < left_) {
    const bool is_ascii = kind() == ContentKind::kString && bytes_.size() == left_;
    if (is_ascii) {
      size = units;
    } else if (kind() == ContentKind::kString) {
      size = BytesOfLetters(bytes_, units);
    } else {
      size = BytesOfValues(bytes_, kind(), units);  // All else has one unit.
    }
  }
  const std::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  position_ += units;
  left_ -= units;
  if (left_ == 0) {
    item_ = store_->At(item_).right;
    Settle();
  }
  return taken;
}

void UnitCursor::Skip(std::uint64_t units) {
  while (units > 0) {
    CHECK(!AtEnd());
    const std::uint64_t step = std::min(units, left_);
    Take(step);
    units -= step;
  }
}

}  // namespace coterie::crdt
