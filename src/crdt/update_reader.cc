#include "crdt/update_reader.h"

#include <algorithm>

#include "base/utf8.h"

namespace coterie::crdt {
namespace {

constexpr std::uint8_t kHasOrigin = 0x80;
constexpr std::uint8_t kHasRightOrigin = 0x40;
constexpr std::uint8_t kHasParentSub = 0x20;
constexpr std::uint8_t kContentBits = 0x1f;

constexpr std::string_view kCountTooLarge = "a count is larger than what follows";
constexpr std::string_view kClientTooLarge = "a client id is above 2^53 - 1";
constexpr std::string_view kClockTooLarge = "a clock is above 2^32 - 1";
constexpr std::string_view kLengthTooLarge = "a length leads past the clock 2^32 - 1";

Id ReadId(Lib0Reader& reader) {
  const Client client(reader.VarUintUpTo(kClientMax, kClientTooLarge));
  return {.client = client,
          .clock = static_cast<Clock>(reader.VarUintUpTo(kClockMax, kClockTooLarge))};
}

}  // namespace

UpdateReader::UpdateReader(std::string_view update) : reader_(update) {
  groups_left_ = reader_.VarUintUpTo(update.size(), kCountTooLarge);
}

bool UpdateReader::BeginGroup() {
  const std::size_t start = reader_.offset_bytes();
  structs_left_ = reader_.VarUintUpTo(reader_.remaining_bytes(), kCountTooLarge);
  client_ = Client(reader_.VarUintUpTo(kClientMax, kClientTooLarge));
  clock_ = reader_.VarUintUpTo(kClockMax, kClockTooLarge);
  // Yjs keeps the last of two groups of a client and drops the other without a word.
  const auto place = std::lower_bound(clients_.begin(), clients_.end(), client_, std::greater<>());
  if (place != clients_.end() && *place == client_) {
    reader_.FailAt(start, "a client has two groups");
  }
  clients_.insert(place, client_);
  is_first_of_client_ = true;
  return reader_.ok();
}

bool UpdateReader::Next(StructView& view) {
  is_first_of_client_ = false;
  while (structs_left_ == 0) {
    if (groups_left_ == 0 || !reader_.ok()) return false;
    --groups_left_;
    if (!BeginGroup()) return false;
  }
  --structs_left_;
  const std::size_t start = reader_.offset_bytes();
  const std::uint8_t info = reader_.U8();
  view = StructView{.id = {.client = client_, .clock = static_cast<Clock>(clock_)}};
  const std::uint8_t content = info & kContentBits;
  if (content > static_cast<std::uint8_t>(ContentKind::kSkip)) {
    reader_.FailAt(start, "a struct has an unknown content");
    return false;
  }
  view.content = static_cast<ContentKind>(content);
  if (view.content == ContentKind::kGc || view.content == ContentKind::kSkip) {
    view.length = static_cast<Clock>(reader_.VarUintUpTo(kClockMax, kLengthTooLarge));
  } else {
    ReadItem(info, view);
  }
  if (reader_.ok() && view.length == 0) reader_.FailAt(start, "a struct has no length");
  if (clock_ + view.length > kClockMax) reader_.FailAt(start, kLengthTooLarge);
  clock_ += view.length;
  return reader_.ok();
}

void UpdateReader::ReadItem(std::uint8_t info, StructView& view) {
  view.has_origin = (info & kHasOrigin) != 0;
  view.has_right_origin = (info & kHasRightOrigin) != 0;
  view.has_parent_sub = (info & kHasParentSub) != 0;
  if (view.has_origin) view.origin = ReadId(reader_);
  if (view.has_right_origin) view.right_origin = ReadId(reader_);
  if (!view.has_origin && !view.has_right_origin) {
    // Yjs writes 0 or 1 and takes whatever is not 1 for 0.
    if (reader_.VarUintUpTo(1, "a parent is neither a root nor an item") == 1) {
      view.parent = ParentKind::kRoot;
      view.parent_root = reader_.VarString();
    } else {
      view.parent = ParentKind::kItem;
      view.parent_item = ReadId(reader_);
    }
    if (view.has_parent_sub) view.parent_sub = reader_.VarString();
  }
  ReadContent(view);
}

void UpdateReader::ReadContent(StructView& view) {
  const std::size_t start = reader_.offset_bytes();
  view.length = 1;
  switch (view.content) {
    case ContentKind::kDeleted:
      view.length = static_cast<Clock>(reader_.VarUintUpTo(kClockMax, kLengthTooLarge));
      return;
    case ContentKind::kString:
      view.payload = reader_.VarString();
      view.length = static_cast<Clock>(Utf16Length(view.payload));
      return;
    case ContentKind::kJson:
    case ContentKind::kAny:
      ReadCounted(view);
      break;
    case ContentKind::kBinary:
      static_cast<void>(reader_.VarBytes());
      break;
    case ContentKind::kEmbed:
      static_cast<void>(reader_.VarString());
      break;
    case ContentKind::kFormat:
      static_cast<void>(reader_.VarString());
      static_cast<void>(reader_.VarString());
      break;
    case ContentKind::kType:
      ReadType();
      break;
    case ContentKind::kDoc:
      static_cast<void>(reader_.VarString());
      static_cast<void>(reader_.Any());
      break;
    case ContentKind::kGc:
    case ContentKind::kSkip:
      break;
  }
  if (reader_.ok()) view.payload = reader_.Between(start, reader_.offset_bytes());
}

void UpdateReader::ReadCounted(StructView& view) {
  const std::uint64_t count = reader_.VarUintUpTo(reader_.remaining_bytes(), kCountTooLarge);
  view.length = static_cast<Clock>(count);
  for (std::uint64_t i = 0; i < count && reader_.ok(); ++i) {
    static_cast<void>(view.content == ContentKind::kAny ? reader_.Any() : reader_.VarString());
  }
}

void UpdateReader::ReadType() {
  const auto kind =
      static_cast<TypeKind>(reader_.VarUintUpTo(kTypeKindMax, "a type is of an unknown kind"));
  if (kind == TypeKind::kXmlElement || kind == TypeKind::kXmlHook) {
    static_cast<void>(reader_.VarString());
  }
}

}  // namespace coterie::crdt
