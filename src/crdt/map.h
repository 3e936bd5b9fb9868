#pragma once

// A map of a doc: a view to read and edit it; also the attributes of an XML element or text.
// Edits of a type that was deleted do nothing; reads find it empty. One owner with its doc.
// Source: yjs 13.6, src/types/YMap.js and AbstractType.js.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/item.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;
class Transaction;

class Map {
 public:
  Map(Doc& doc, TypeHandle type) : doc_(&doc), type_(type) {}

  // Yields the new type's handle, if the content is one.
  TypeHandle Set(Transaction& transaction, std::string_view key, const NewContent& content);
  void Delete(Transaction& transaction, std::string_view key);
  void Clear(Transaction& transaction);

  bool Has(std::string_view key) const;
  std::optional<std::string> GetJson(std::string_view key) const;
  std::optional<TypeHandle> GetType(std::string_view key) const;
  // Those that have a value, in the order of their first mention.
  std::vector<std::string> keys() const;
  std::string ToJson() const;

  TypeHandle type() const { return type_; }

 private:
  ItemRef Find(std::string_view key) const;

  Doc* doc_;
  TypeHandle type_;
};

}  // namespace coterie::crdt
