#include "crdt/new_content.h"

#include <string>
#include <variant>

#include "base/check.h"
#include "base/overload.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/lib0.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kEmptyObject("\x76\x00", 2);

void CheckIsAny(std::string_view any) {
  Lib0Reader reader(any);
  static_cast<void>(reader.Any());
  CHECK(reader.ok() && reader.AtEnd());
}

// Fills a new item with anything but values of `any`; yields the type, if it is one.
TypeHandle Fill(ItemStore& store, ItemRef ref, const NewContent& content) {
  Item& item = store.At(ref);
  item.length = 1;
  TypeHandle type;
  std::visit(Overload{[](const NewAny&) { CHECK(false); },
                      [&](const NewBinary& binary) {
                        Lib0Writer payload;
                        payload.VarBytes(binary.bytes);
                        store.SetPayload(item, ContentKind::kBinary, payload.view());
                      },
                      [&](const NewType& made) {
                        store.SetType(ref, made.kind, made.name);
                        type = store.HandleOf(store.TypeOf(item));
                      },
                      [&](const NewDoc& doc) {
                        Lib0Writer payload;
                        payload.VarBytes(doc.guid);
                        payload.Raw(doc.options_any.empty() ? kEmptyObject
                                                            : std::string_view(doc.options_any));
                        store.SetPayload(item, ContentKind::kDoc, payload.view());
                      }},
             content);
  return type;
}

}  // namespace

std::vector<TypeHandle> InsertContents(ItemStore& store, ClientIndex writer, BranchRef branch,
                                       Gap gap, const std::vector<NewContent>& contents) {
  std::vector<TypeHandle> types;
  const SequenceRef sequence = store.ChildrenOf(branch);
  std::string values;
  Clock count = 0;
  const auto place = [&] { return NewBetween(store, writer, gap.left, gap.right, sequence); };
  const auto flush = [&] {
    if (count == 0) return;
    const ItemRef item = place();
    store.At(item).length = count;
    store.SetPayload(store.At(item), ContentKind::kAny, values);
    Integrate(store, item);
    gap.left = item;
    values.clear();
    count = 0;
  };
  for (const NewContent& content : contents) {
    if (const auto* any = std::get_if<NewAny>(&content)) {
      CheckIsAny(any->any);
      values += any->any;
      ++count;
      continue;
    }
    flush();
    const ItemRef item = place();
    const TypeHandle type = Fill(store, item, content);
    Integrate(store, item);
    gap.left = item;
    if (type.branch != 0) types.push_back(type);
  }
  flush();
  return types;
}

TypeHandle SetContentOf(ItemStore& store, ClientIndex writer, SequenceRef key,
                        const NewContent& content) {
  const ItemRef item = NewBetween(store, writer, store.SequenceAt(key).tail, 0, key);
  TypeHandle type;
  if (const auto* any = std::get_if<NewAny>(&content)) {
    CheckIsAny(any->any);
    store.At(item).length = 1;
    store.SetPayload(store.At(item), ContentKind::kAny, any->any);
  } else {
    type = Fill(store, item, content);
  }
  Integrate(store, item);
  return type;
}

}  // namespace coterie::crdt
