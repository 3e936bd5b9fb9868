#pragma once

// A text, plain or formatted, of a doc: a view to read and edit it. Indexes count UTF-16 units, an
// embed or nested type being one, as in Yjs. Also what XmlText is. Costs are O(log n) in the number
// of items, but for the ones that hand out all of the text.
// Edits of a type that was deleted do nothing; reads find it empty. One owner with its doc.
// Source: yjs 13.6, src/types/YText.js, for where exactly items go.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "crdt/events.h"
#include "crdt/item.h"
#include "crdt/order_index.h"
#include "crdt/rich_text.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;
class Transaction;

class Text {
 public:
  Text(Doc& doc, TypeHandle type) : doc_(&doc), type_(type) {}

  // Inserts before `index`; past the end means at the end. The first takes on the attributes of
  // what is to the left, the second has exactly these. Requires valid UTF-8.
  void Insert(Transaction& transaction, std::uint64_t index, std::string_view text);
  void Insert(Transaction& transaction, std::uint64_t index, std::string_view text,
              const Attributes& attributes);
  // Requires JSON.
  void InsertEmbed(Transaction& transaction, std::uint64_t index, std::string_view json,
                   const Attributes& attributes);
  TypeHandle InsertType(Transaction& transaction, std::uint64_t index, const NewType& type,
                        const Attributes& attributes);
  // Deletes up to `length` units. In a formatted text it goes over values of arrays, as Yjs does.
  void Delete(Transaction& transaction, std::uint64_t index, std::uint64_t length);
  // Deletes exactly these units, whatever they are. Requires that they are there.
  void DeleteAll(Transaction& transaction, std::uint64_t index, std::uint64_t length);
  void Format(Transaction& transaction, std::uint64_t index, std::uint64_t length,
              const Attributes& attributes);
  // Requires ops of kinds kText, kEmbed, kRetain and kDelete.
  void ApplyDelta(Transaction& transaction, const Delta& delta);

  std::uint64_t length() const;  // In units.
  // Whether what is there is text, or nothing; as far as the first thing that is there tells.
  bool IsText() const;
  // Whether it is what a rich editor keeps: nodes of XML. Told by the first thing as well.
  bool IsXml() const;
  // Whether there are letters in it, or in the nodes of XML in it. Looks at `units_left` units at
  // most, and takes those it looked at off; then nobody knows.
  std::optional<bool> HasLetters(std::uint64_t& units_left) const;
  // Whether more than `count` attributes are told by marks that are not deleted. Goes over all
  // items of a text to which that many marks ever came.
  bool HasMoreAttributesThan(std::size_t count) const;
  std::string ToString() const;  // UTF-8, without embeds.
  Delta ToDelta() const;

  // Positions in all three units at once; an embed is one unit and one code point of no bytes.
  TextSize size() const;
  // Empty past the end or within a surrogate pair.
  std::optional<TextSize> Locate(std::uint64_t position, PositionUnit unit) const;
  // What is no text, in the order of the places at which it is.
  struct Embedded {
    std::uint64_t position_bytes = 0;  // Of ToString().
    std::uint64_t units = 0;           // At least 1.
  };
  std::vector<Embedded> Embeds() const;
  // The bytes [begin, begin + size) of ToString(). Requires that they are there.
  std::string Slice(std::uint64_t begin_bytes, std::uint64_t size_bytes) const;

  TypeHandle type() const { return type_; }

 private:
  ItemRef FirstVisible(BranchRef branch) const;
  ItemRef NextVisible(ItemRef ref, bool is_indexed) const;
  OrderIndex::Spot FindSpot(BranchRef branch, std::uint64_t position, Measure measure) const;
  // Units that follow each other, and whether they are what RichText deletes.
  struct Stretch {
    bool is_rich = false;
    std::uint64_t length = 0;
  };
  Stretch StretchAt(BranchRef branch, std::uint64_t index, std::uint64_t length_max) const;
  ItemRef InsertRich(Transaction& transaction, std::uint64_t index,
                     const RichText::Insertion& insertion, const Attributes& attributes);

  Doc* doc_;
  TypeHandle type_;
};

}  // namespace coterie::crdt
