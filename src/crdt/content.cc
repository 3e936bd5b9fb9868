// The part of ItemStore that keeps content: text as UTF-8 in the slab, everything else as the bytes
// that an update has for it.

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/check.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD.
// Room that is kept behind what a client writes, so that its next words need not move.
constexpr std::uint32_t kRunBytesMin = 32;
constexpr std::uint32_t kRunBytesMax = 4096;

struct Cut {
  std::size_t offset = 0;  // Of the code point that begins there, or holds it.
  bool is_within_pair = false;
};

Cut CutFromFront(std::string_view text, std::uint64_t units) {
  std::size_t at = 0;
  while (units >= 9 && at + 8 <= text.size()) {
    // At most nine units, so it cannot go too far; it may end within a code point.
    units -= Utf16Length(text.substr(at, 8));
    at += 8;
  }
  while (at < text.size() && IsContinuationByte(text[at])) ++at;
  while (units > 0) {
    const std::size_t size = CodePointLength(text.substr(at));
    CHECK(size > 0);
    if (size == 4 && units == 1) return {.offset = at, .is_within_pair = true};
    units -= size == 4 ? 2 : 1;
    at += size;
  }
  return {.offset = at};
}

Cut CutFromBack(std::string_view text, std::uint64_t units) {
  std::size_t at = text.size();
  while (units > 0) {
    --at;
    while (IsContinuationByte(text[at])) --at;
    const bool is_pair = static_cast<unsigned char>(text[at]) >= 0xf0;
    if (is_pair && units == 1) return {.offset = at, .is_within_pair = true};
    units -= is_pair ? 2 : 1;
  }
  return {.offset = at};
}

// Where the unit `units` of `length` is; from the nearer end, so that cutting a text into pieces,
// however that is done, costs O(n log n).
Cut FindCut(std::string_view text, Clock length, Clock units) {
  if (text.size() == length) return {.offset = units};
  return units <= length / 2 ? CutFromFront(text, units) : CutFromBack(text, length - units);
}

std::uint64_t CodePoints(std::string_view text) { return MeasureUtf8(text).code_points; }

// Every so many values of a long array get an anchor.
constexpr Clock kAnchorValues = 64;

}  // namespace

std::uint32_t ItemStore::NewExtent(const Extent& extent) {
  if (free_extent_ == 0) {
    extents_.push_back(extent);
    return static_cast<std::uint32_t>(extents_.size() - 1);
  }
  const std::uint32_t ref = free_extent_;
  free_extent_ = extents_[ref].address;
  extents_[ref] = extent;
  return ref;
}

void ItemStore::FreeExtent(std::uint32_t extent) {
  extents_[extent] = {.address = free_extent_};
  free_extent_ = extent;
}

Extent ItemStore::RawOf(const Item& item) const {
  if (item.is_wide) return extents_[item.content];
  return {.address = item.content, .bytes = item.length, .extra = item.length};
}

// Text of as many bytes as units is ASCII and needs no extent.
void ItemStore::SetRaw(Item& item, const Extent& raw, Clock length) {
  const bool is_wide = item.kind() != ContentKind::kString || raw.bytes != length;
  if (is_wide && item.is_wide) {
    extents_[item.content] = raw;
  } else if (is_wide) {
    item.content = NewExtent(raw);
  } else {
    if (item.is_wide) FreeExtent(item.content);
    item.content = raw.address;
  }
  item.is_wide = is_wide;
}

void ItemStore::OpenRun(ClientState& client, std::size_t bytes) {
  if (client.run_left > 0) slab_.Free(client.run_next, client.run_left);
  client.run_next = slab_.Allocate(bytes);
  client.run_left = static_cast<std::uint32_t>(bytes);
  client.run_size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, kRunBytesMax));
}

// In the client's run if there is room. The first of a client is stored as tight as it is, for many
// write but once; the next ones get a run that doubles.
Address ItemStore::AllocateFor(ClientState& client, std::size_t bytes) {
  if (client.run_left < bytes) {
    if (bytes >= kRunBytesMax / 4) return slab_.Allocate(bytes);
    if (client.run_size == 0) {
      client.run_size = kRunBytesMin / 2;
      return slab_.Allocate(bytes);
    }
    OpenRun(client, std::max<std::size_t>(std::min(client.run_size * 2, kRunBytesMax), bytes * 2));
  }
  const Address address = client.run_next;
  client.run_next += static_cast<std::uint32_t>(bytes);
  client.run_left -= static_cast<std::uint32_t>(bytes);
  return address;
}

void ItemStore::SetText(Item& item, std::string_view text) {
  item.set_kind(ContentKind::kString);
  item.is_wide = false;
  const Address address = AllocateFor(clients_[item.client], text.size());
  std::memcpy(slab_.At(address), text.data(), text.size());
  Extent raw{.address = address, .bytes = static_cast<std::uint32_t>(text.size())};
  if (text.size() != item.length) raw.extra = static_cast<std::uint32_t>(CodePoints(text));
  SetRaw(item, raw, item.length);
}

void ItemStore::SetPayload(Item& item, ContentKind kind, std::string_view payload) {
  item.set_kind(kind);
  item.is_wide = true;
  const bool grows = kind == ContentKind::kAny || kind == ContentKind::kJson;
  const Address address =
      grows ? AllocateFor(clients_[item.client], payload.size()) : slab_.Allocate(payload.size());
  std::memcpy(slab_.At(address), payload.data(), payload.size());
  item.content =
      NewExtent({.address = address, .bytes = static_cast<std::uint32_t>(payload.size())});
}

void ItemStore::SetFormat(Item& item, Atom key, std::string_view json) {
  item.set_kind(ContentKind::kFormat);
  item.is_wide = true;
  item.content = NewExtent({.address = slab_.Store(json),
                            .bytes = static_cast<std::uint32_t>(json.size()),
                            .extra = key});
}

void ItemStore::SetType(ItemRef ref, TypeKind kind, std::string_view name) {
  const BranchRef type = NewBranch();
  Branch& branch = branches_[type];
  branch.item = ref;
  branch.kind = kind;
  branch.has_kind = true;
  const bool has_name = kind == TypeKind::kXmlElement || kind == TypeKind::kXmlHook;
  if (has_name) branch.name = atoms_.Intern(name);
  At(ref).set_kind(ContentKind::kType);
  At(ref).content = type;
}

void ItemStore::FreeContent(Item& item) {
  if (item.kind() == ContentKind::kString && !item.is_wide) {
    slab_.Free(item.content, item.length);
  } else if (item.is_wide) {
    const Extent& extent = extents_[item.content];
    slab_.Free(extent.address, extent.bytes);
    FreeExtent(item.content);
    DropAnchors(item);
  }
  item.is_wide = false;
  item.content = 0;
}

void ItemStore::SplitContent(Item& left, Item& right, Clock length) {
  switch (left.kind()) {
    case ContentKind::kDeleted:
      return;
    case ContentKind::kString:
      SplitText(left, right, length);
      return;
    case ContentKind::kAny:
    case ContentKind::kJson: {
      Extent& whole = extents_[left.content];
      const auto offset = static_cast<std::uint32_t>(whole.bytes - ValuesFrom(left, length).size());
      const Extent rest{.address = whole.address + offset, .bytes = whole.bytes - offset};
      whole.bytes = offset;
      right.is_wide = true;
      right.content = NewExtent(rest);
      return;
    }
    case ContentKind::kGc:
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kFormat:
    case ContentKind::kType:
    case ContentKind::kDoc:
    case ContentKind::kSkip:
      break;  // Of length 1.
  }
  CHECK(false);
}

void ItemStore::SplitText(Item& left, Item& right, Clock length) {
  if (!left.is_wide) {
    right.content = left.content + length;
    return;
  }
  const Extent whole = extents_[left.content];
  const std::string_view text = slab_.View(whole.address, whole.bytes);
  const Cut cut = FindCut(text, left.length, length);
  const auto offset = static_cast<std::uint32_t>(cut.offset);
  Extent first{.address = whole.address, .bytes = offset};
  Extent second{.address = whole.address + offset, .bytes = whole.bytes - offset};
  // Of the shorter part it is cheap to count the code points.
  if (first.bytes <= second.bytes) {
    first.extra = static_cast<std::uint32_t>(CodePoints(text.substr(0, offset)));
    second.extra = whole.extra - first.extra;
  } else {
    second.extra = static_cast<std::uint32_t>(CodePoints(text.substr(offset)));
    first.extra = whole.extra - second.extra;
  }
  if (cut.is_within_pair) {
    Changes::CutPair pair{.first = {.client = left.client, .clock = left.clock + length - 1}};
    text.copy(pair.bytes.data(), pair.bytes.size(), offset);
    changes_.cut_pairs.push_back(pair);
    SplitPair(whole, offset, first, second);
  }
  const Clock rest = left.length - length;
  SetRaw(left, first, length);
  SetRaw(right, second, rest);
}

// The code point at the offset `pair` is cut in half: each half becomes U+FFFD (ContentString.js,
// splice). Its four bytes hold one of them; the shorter part moves, to have room for the other.
void ItemStore::SplitPair(const Extent& whole, std::uint32_t pair, Extent& left, Extent& right) {
  const std::uint32_t tail = whole.bytes - pair - 4;
  ++left.extra;
  if (pair <= tail) {
    const Address moved = slab_.Allocate(pair + kReplacement.size());
    std::memcpy(slab_.At(moved), slab_.At(whole.address), pair);
    std::memcpy(slab_.At(moved) + pair, kReplacement.data(), kReplacement.size());
    slab_.Free(whole.address, pair + 1);
    left.address = moved;
    right.address = whole.address + pair + 1;
    std::memcpy(slab_.At(right.address), kReplacement.data(), kReplacement.size());
  } else {
    const Address moved = slab_.Allocate(tail + kReplacement.size());
    std::memcpy(slab_.At(moved), kReplacement.data(), kReplacement.size());
    std::memcpy(slab_.At(moved) + kReplacement.size(), slab_.At(whole.address) + pair + 4, tail);
    slab_.Free(whole.address + pair + 3, tail + 1);
    std::memcpy(slab_.At(whole.address) + pair, kReplacement.data(), kReplacement.size());
    right.address = moved;
  }
  left.bytes = pair + 3;
  right.bytes = tail + 3;
}

// Behind what the item has; moved, with room to grow by half, if something else is there.
void ItemStore::Append(Item& item, std::string_view bytes, std::uint64_t code_points,
                       Clock length) {
  Extent raw = RawOf(item);
  ClientState& client = clients_[item.client];
  const bool is_last = client.run_left > 0 && raw.address + raw.bytes == client.run_next;
  if (!is_last || client.run_left < bytes.size()) {
    const std::size_t total = raw.bytes + bytes.size();
    const Extent old = raw;
    OpenRun(client, total + std::max<std::size_t>(kRunBytesMin, total / 2));
    raw.address = client.run_next;
    std::memcpy(slab_.At(raw.address), slab_.At(old.address), old.bytes);
    DropAnchors(item);
    client.run_next += old.bytes;
    client.run_left -= old.bytes;
    slab_.Free(old.address, old.bytes);
  }
  std::memcpy(slab_.At(client.run_next), bytes.data(), bytes.size());
  client.run_next += static_cast<std::uint32_t>(bytes.size());
  client.run_left -= static_cast<std::uint32_t>(bytes.size());
  raw.bytes += static_cast<std::uint32_t>(bytes.size());
  raw.extra += static_cast<std::uint32_t>(code_points);
  SetRaw(item, raw, length);
}

void ItemStore::ExtendLast(ItemRef ref, std::string_view text, Clock length) {
  Item& item = At(ref);
  CHECK(item.kind() == ContentKind::kString && !item.is_deleted);
  CHECK(item.end() == clients_[item.client].end);
  Touch(item.client);
  clients_[item.client].end += length;
  TextSize size{.bytes = text.size(), .utf16 = length, .code_points = length};
  if (text.size() != length) size.code_points = CodePoints(text);
  Append(item, text, size.code_points, item.length + length);
  item.length += length;
  const Sequence& sequence = sequences_[item.sequence];
  if (sequence.key != 0) return;
  Branch& branch = branches_[sequence.branch];
  branch.length += length;
  branch.cached_item = 0;
  if (item.leaf != 0) index_.Grow(ref, size);
}

bool ItemStore::CanMergeContent(const Item& left, const Item& right) {
  if (left.kind() != right.kind()) return false;
  return left.kind() == ContentKind::kString || left.kind() == ContentKind::kAny ||
         left.kind() == ContentKind::kJson || left.kind() == ContentKind::kDeleted;
}

void ItemStore::MergeContent(Item& left, Item& right) {
  if (left.kind() == ContentKind::kDeleted) return;
  Extent raw = RawOf(left);
  const Extent more = RawOf(right);
  if (slab_.AreNeighbours(raw.address, raw.bytes, more.address)) {
    raw.bytes += more.bytes;
    raw.extra += more.extra;
    if (right.is_wide) FreeExtent(right.content);
    SetRaw(left, raw, left.length + right.length);
  } else {
    Append(left, slab_.View(more.address, more.bytes), more.extra, left.length + right.length);
    FreeContent(right);
  }
  right.is_wide = false;
}

std::string_view ItemStore::ValuesFrom(const Item& item, Clock offset) const {
  const std::string_view values = BytesOf(item);
  const Address begin = ExtentOf(item).address;
  Clock at = 0;
  Lib0Reader reader(values);
  std::map<Clock, Address>* anchors = nullptr;
  if (offset > kAnchorValues) {
    anchors = &anchors_[item.client];
    const auto after = anchors->upper_bound(item.clock + offset);
    if (after != anchors->begin() && std::prev(after)->first > item.clock) {
      at = std::prev(after)->first - item.clock;
      reader.Advance(std::prev(after)->second - begin);
    }
  }
  for (Clock steps = 1; at < offset; ++steps) {
    static_cast<void>(item.kind() == ContentKind::kAny ? reader.Any() : reader.VarBytes());
    ++at;
    if (anchors != nullptr && steps % kAnchorValues == 0) {
      anchors->emplace(item.clock + at, begin + static_cast<Address>(reader.offset_bytes()));
    }
  }
  CHECK(reader.ok());
  return values.substr(reader.offset_bytes());
}

// The values have moved or are gone.
void ItemStore::DropAnchors(const Item& item) {
  if (anchors_.empty() || item.kind() == ContentKind::kString) return;
  const auto found = anchors_.find(item.client);
  if (found == anchors_.end()) return;
  std::map<Clock, Address>& anchors = found->second;
  anchors.erase(anchors.lower_bound(item.clock), anchors.lower_bound(item.end()));
}

std::string_view ItemStore::TextOf(const Item& item) const {
  const Extent raw = RawOf(item);
  return slab_.View(raw.address, raw.bytes);
}

std::string_view ItemStore::BytesOf(const Item& item) const {
  const Extent& extent = extents_[item.content];
  return slab_.View(extent.address, extent.bytes);
}

TextSize ItemStore::ContentSize(const Item& item) const {
  if (!item.IsCountable()) return {};
  if (item.kind() == ContentKind::kString) {
    const Extent raw = RawOf(item);
    return {.bytes = raw.bytes, .utf16 = item.length, .code_points = raw.extra};
  }
  return {.bytes = 0, .utf16 = item.length, .code_points = item.length};
}

TextSize ItemStore::VisibleSize(ItemRef ref) const {
  const Item& item = At(ref);
  return item.is_deleted ? TextSize{} : ContentSize(item);
}

void ItemStore::WriteContent(const Item& item, Clock offset, Lib0Writer& writer) const {
  switch (item.kind()) {
    case ContentKind::kDeleted:
      writer.VarUint(item.length - offset);
      return;
    case ContentKind::kString: {
      const std::string_view text = TextOf(item);
      const Cut cut = offset == 0 ? Cut{} : FindCut(text, item.length, offset);
      if (!cut.is_within_pair) return writer.VarBytes(text.substr(cut.offset));
      const std::string_view rest = text.substr(cut.offset + 4);
      writer.VarUint(kReplacement.size() + rest.size());
      writer.Raw(kReplacement);
      writer.Raw(rest);
      return;
    }
    case ContentKind::kAny:
    case ContentKind::kJson: {
      writer.VarUint(item.length - offset);
      writer.Raw(ValuesFrom(item, offset));
      return;
    }
    case ContentKind::kFormat:
      writer.VarBytes(atoms_.Text(ExtentOf(item).extra));
      writer.VarBytes(BytesOf(item));
      return;
    case ContentKind::kType: {
      const Branch& branch = branches_[TypeOf(item)];
      writer.VarUint(static_cast<std::uint64_t>(branch.kind));
      if (branch.name != 0) writer.VarBytes(atoms_.Text(branch.name));
      return;
    }
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kDoc:
      return writer.Raw(BytesOf(item));
    case ContentKind::kGc:
    case ContentKind::kSkip:
      break;
  }
  CHECK(false);
}

}  // namespace coterie::crdt
