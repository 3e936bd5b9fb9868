#include "crdt/type_numbers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "crdt/item_store.h"
#include "crdt/keyed_values.h"
#include "crdt/lib0.h"
#include "crdt/unit_cursor.h"

namespace coterie::crdt {
namespace {

// What begins with these bytes is no letter, as none of them is in UTF-8, and no value of `any`; so
// they end a text or a row of values, and it does not matter into which items those are cut.
constexpr std::uint8_t kKeyTag = 0xff;
constexpr std::uint8_t kChildrenTag = 0xfe;
constexpr std::uint8_t kMarksTag = 0xfd;
constexpr std::string_view kNull = "null";
constexpr std::uint8_t TagOf(ContentKind kind) {
  return static_cast<std::uint8_t>(0xf3 + static_cast<int>(kind));
}
static_assert(TagOf(ContentKind::kJson) == 0xf5);  // The first byte that UTF-8 has not.
static_assert(TagOf(ContentKind::kDoc) < kMarksTag);

// A type and all that it holds, in bytes that mean nothing else.
class Signature {
 public:
  Signature(const ItemStore& store, const TypeNumbers::Numbers& numbers)
      : store_(store), numbers_(numbers) {}

  std::string Of(BranchRef ref) {
    const Branch& branch = store_.BranchAt(ref);
    writer_.U8(static_cast<std::uint8_t>(branch.kind));
    writer_.VarBytes(branch.name == 0 ? std::string_view() : store_.atoms().Text(branch.name));
    for (const auto& [key, item] : KeyedValuesOf(store_, ref)) {
      writer_.U8(kKeyTag);
      writer_.VarBytes(key);
      last_ = ContentKind::kGc;
      Write(store_.At(item), LastUnitOf(store_, store_.At(item)).bytes);
    }
    writer_.U8(kChildrenTag);
    last_ = ContentKind::kGc;
    for (ItemRef at = store_.HeadOf(ref); at != 0; at = store_.At(at).right) {
      const Item& item = store_.At(at);
      if (item.is_deleted) continue;
      if (item.kind() == ContentKind::kFormat) {
        TakeMark(item);
      } else {
        WriteMarks();
        Write(item, ContentOf(store_, item));
      }
    }
    WriteMarks();
    return writer_.Take();
  }

 private:
  void TakeMark(const Item& item) {
    const std::string_view key = store_.atoms().Text(store_.ExtentOf(item).extra);
    std::string_view& json = formats_.try_emplace(key, kNull).first->second;
    changed_.try_emplace(key, json);
    json = store_.BytesOf(item);
  }

  // What the marks since the last unit come to, of however many keys in whatever order. That there
  // are any shows as well: a delta begins a new insertion.
  void WriteMarks() {
    if (changed_.empty()) return;
    writer_.U8(kMarksTag);
    last_ = ContentKind::kFormat;
    for (const auto& [key, before] : changed_) {
      const std::string_view json = formats_.find(key)->second;
      if (json == before) continue;
      writer_.U8(TagOf(ContentKind::kFormat));
      writer_.VarBytes(key);
      writer_.VarBytes(json);
    }
    changed_.clear();
  }

  // `bytes`: as UnitCursor::Take() has them.
  void Write(const Item& item, std::string_view bytes) {
    const ContentKind kind = item.kind();
    const bool goes_on =
        kind == last_ && (kind == ContentKind::kString || kind == ContentKind::kAny);
    if (!goes_on) writer_.U8(TagOf(kind));
    last_ = kind;
    switch (kind) {
      case ContentKind::kJson:
        return WriteJsonRow(bytes);
      case ContentKind::kFormat:  // As the value of a key, which reads as undefined.
        return;
      case ContentKind::kType:
        return writer_.VarUint(numbers_.at(store_.TypeOf(item)));
      case ContentKind::kString:
      case ContentKind::kAny:
      case ContentKind::kBinary:
      case ContentKind::kEmbed:
      case ContentKind::kDoc:
        return writer_.Raw(bytes);
      case ContentKind::kGc:
      case ContentKind::kDeleted:
      case ContentKind::kSkip:
        break;  // Never visible.
    }
    CHECK(false);
  }

  // Behind the tag of the first one; each further one has its own.
  void WriteJsonRow(std::string_view values) {
    for (Lib0Reader reader(values); !reader.AtEnd();) {
      if (reader.offset_bytes() > 0) writer_.U8(TagOf(ContentKind::kJson));
      writer_.VarBytes(reader.VarBytes());
      CHECK(reader.ok());
    }
  }

  const ItemStore& store_;
  const TypeNumbers::Numbers& numbers_;
  Lib0Writer writer_;
  std::map<std::string_view, std::string_view> formats_;  // In force: attribute -> JSON.
  std::map<std::string_view, std::string_view> changed_;  // Since the last unit: what it was.
  ContentKind last_ = ContentKind::kGc;
};

// The types that are visible in `root`, each behind the one that it is in.
std::vector<BranchRef> TypesIn(const ItemStore& store, BranchRef root) {
  std::vector<BranchRef> types{root};
  const auto take = [&](ItemRef ref) {
    const Item& item = store.At(ref);
    if (!item.is_deleted && item.kind() == ContentKind::kType) types.push_back(store.TypeOf(item));
  };
  for (std::size_t i = 0; i < types.size(); ++i) {
    const BranchRef type = types[i];
    for (ItemRef ref = store.HeadOf(type); ref != 0; ref = store.At(ref).right) take(ref);
    SequenceRef key = store.BranchAt(type).first_key;
    for (; key != 0; key = store.SequenceAt(key).next_key) {
      if (store.SequenceAt(key).tail != 0) take(store.SequenceAt(key).tail);
    }
  }
  types.erase(types.begin());
  return types;
}

}  // namespace

TypeNumbers::Numbers TypeNumbers::Number(const ItemStore& store, BranchRef root) {
  Numbers numbers;
  const std::vector<BranchRef> types = TypesIn(store, root);
  // From the innermost outwards. No recursion: types nest as deep as an update says.
  for (auto type = types.rbegin(); type != types.rend(); ++type) {
    const auto next = static_cast<std::uint32_t>(numbers_.size() + 1);
    numbers[*type] = numbers_.emplace(Signature(store, numbers).Of(*type), next).first->second;
  }
  return numbers;
}

}  // namespace coterie::crdt
