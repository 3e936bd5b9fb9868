#pragma once

// Goes over what is visible in a type's list, in order, with its content as bytes: what a letter, a
// value, an embed is, without making a JavaScript value of it. The list must not change meanwhile.
// A small value; borrows the store.

#include <cstdint>
#include <string_view>

#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

// An item's content: letters in UTF-8, the values one behind the other, or the content as it is in
// an update; of a type nothing.
std::string_view ContentOf(const ItemStore& store, const Item& item);

class UnitCursor {
 public:
  UnitCursor(const ItemStore& store, BranchRef branch);

  bool AtEnd() const { return item_ == 0; }
  // How many units are behind.
  std::uint64_t position() const { return position_; }
  // Of what is ahead: the item, its kind, and how many units of it are left. Require !AtEnd().
  ItemRef item() const { return item_; }
  ContentKind kind() const;
  std::uint64_t left() const { return left_; }
  // Goes over so many units of the item and yields their content. Requires 0 < units <= left(), and
  // not to end within a code point.
  std::string_view Take(std::uint64_t units);
  // Goes over so many units of whatever items. Requires that they are there.
  void Skip(std::uint64_t units);

 private:
  void Settle();

  const ItemStore* store_;
  ItemRef item_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t left_ = 0;
  std::string_view bytes_;  // Of what is left.
};

}  // namespace coterie::crdt
