#pragma once

// An array of a doc: a view to read and edit it; also the children of an XML fragment or element.
// Edits of a type that was deleted do nothing; reads find it empty. One owner with its doc.
// Source: yjs 13.6, src/types/YArray.js and AbstractType.js.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crdt/events.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;
class Transaction;

class Array {
 public:
  Array(Doc& doc, TypeHandle type) : doc_(&doc), type_(type) {}

  // Requires index <= length(). Yields the handles of the new types among `contents`, in order.
  std::vector<TypeHandle> Insert(Transaction& transaction, std::uint64_t index,
                                 const std::vector<NewContent>& contents);
  // Behind all that is there, deleted or not.
  std::vector<TypeHandle> Push(Transaction& transaction, const std::vector<NewContent>& contents);
  // Requires index + length <= length().
  void Delete(Transaction& transaction, std::uint64_t index, std::uint64_t length);

  std::uint64_t length() const;
  // As JSON; empty past the end.
  std::optional<std::string> GetJson(std::uint64_t index) const;
  // The type at that index, if one is there.
  std::optional<TypeHandle> GetType(std::uint64_t index) const;
  std::string ToJson() const;

  TypeHandle type() const { return type_; }

 private:
  Doc* doc_;
  TypeHandle type_;
};

}  // namespace coterie::crdt
