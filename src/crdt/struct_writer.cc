#include "crdt/struct_writer.h"

#include <cstring>

#include "base/check.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

constexpr std::uint8_t kHasOrigin = 0x80;
constexpr std::uint8_t kHasRightOrigin = 0x40;
constexpr std::uint8_t kHasParentSub = 0x20;
// U+FFFD, which stands for each half of a code point that was cut in two.
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

void WriteId(Id id, Lib0Writer& writer) {
  writer.VarUint(id.client.value());
  writer.VarUint(id.clock);
}

// The content of `view`, of a kind that has a length, from `cut` on.
void WriteContentFrom(const StructView& view, Clock cut, Lib0Writer& writer) {
  if (view.content == ContentKind::kDeleted) return writer.VarUint(view.length - cut);
  if (view.content == ContentKind::kString) {
    const TextCut at = FindUtf16(view.payload, cut);
    const std::string_view rest = view.payload.substr(at.offset_bytes);
    writer.VarUint(rest.size() + (at.is_within_pair ? kReplacement.size() : 0));
    if (at.is_within_pair) writer.Raw(kReplacement);
    return writer.Raw(rest);
  }
  CHECK(view.content == ContentKind::kAny || view.content == ContentKind::kJson);
  Lib0Reader reader(view.payload);
  static_cast<void>(reader.VarUint());
  for (Clock i = 0; i < cut; ++i) {
    static_cast<void>(view.content == ContentKind::kAny ? reader.Any() : reader.VarBytes());
  }
  CHECK(reader.ok());
  writer.VarUint(view.length - cut);
  writer.Raw(reader.ahead());
}

StructView ReadPiece(const Piece& piece) {
  UpdateReader reader(
      piece.bytes,
      {.id = {.client = piece.id.client, .clock = piece.id.clock - piece.cut}, .structs = 1});
  StructView view;
  CHECK(reader.Next(view));
  return view;
}

}  // namespace

TextCut FindUtf16(std::string_view text, std::uint64_t units) {
  std::size_t at = 0;
  while (units > 0) {
    CHECK(at < text.size());
    const std::size_t length = CodePointLength(text.substr(at));
    CHECK(length > 0);
    at += length;
    if (length == 4 && units == 1) return {.offset_bytes = at, .is_within_pair = true};
    units -= length == 4 ? 2 : 1;
  }
  return {.offset_bytes = at};
}

void WriteItemHead(const StructView& view, Lib0Writer& writer) {
  std::uint8_t info = static_cast<std::uint8_t>(view.content);
  if (view.has_origin) info |= kHasOrigin;
  if (view.has_right_origin) info |= kHasRightOrigin;
  if (view.has_parent_sub && view.parent != ParentKind::kNeighbour) info |= kHasParentSub;
  writer.U8(info);
  if (view.has_origin) WriteId(view.origin, writer);
  if (view.has_right_origin) WriteId(view.right_origin, writer);
  if (view.parent == ParentKind::kNeighbour) return;
  writer.VarUint(view.parent == ParentKind::kRoot ? 1 : 0);
  if (view.parent == ParentKind::kRoot) {
    writer.VarBytes(view.parent_root);
  } else {
    WriteId(view.parent_item, writer);
  }
  if (view.has_parent_sub) writer.VarBytes(view.parent_sub);
}

void WriteItemFrom(const StructView& view, Clock cut, Lib0Writer& writer) {
  CHECK(cut > 0 && cut < view.length);
  std::uint8_t info = static_cast<std::uint8_t>(view.content) | kHasOrigin;
  if (view.has_right_origin) info |= kHasRightOrigin;
  // Yjs keeps this bit if it read the string that belongs to it, and writes no string.
  if (view.has_parent_sub && view.parent != ParentKind::kNeighbour) info |= kHasParentSub;
  writer.U8(info);
  WriteId({.client = view.id.client, .clock = view.id.clock + cut - 1}, writer);
  if (view.has_right_origin) WriteId(view.right_origin, writer);
  WriteContentFrom(view, cut, writer);
}

void WritePiece(const Piece& piece, Lib0Writer& writer) {
  CHECK(piece.length > 0);
  if (piece.content == ContentKind::kGc || piece.content == ContentKind::kSkip) {
    writer.U8(static_cast<std::uint8_t>(piece.content));
    return writer.VarUint(piece.length);
  }
  if (piece.cut > 0) return WriteItemFrom(ReadPiece(piece), piece.cut, writer);
  writer.U8(CanonicalInfo(static_cast<std::uint8_t>(piece.bytes[0])));
  writer.Raw(piece.bytes.substr(1));
}

void Piece::CutFront(Clock clocks) {
  CHECK(clocks < length);
  id.clock += clocks;
  length -= clocks;
  cut += clocks;
}

void StructWriter::Flush() {
  body_.Raw(pending_);
  pending_ = {};
}

Lib0Writer& StructWriter::body() {
  Flush();
  return body_;
}

void StructWriter::Count(Id first, std::uint64_t structs) {
  if (groups_.empty() || groups_.back().first.client != first.client) {
    Flush();
    groups_.push_back({.first = first, .begin = body_.size_bytes()});
  }
  groups_.back().structs += structs;
}

void StructWriter::WriteRun(Id first, std::uint64_t structs, std::string_view bytes) {
  if (structs == 0) return;
  Count(first, structs);
  if (!pending_.empty() && pending_.data() + pending_.size() == bytes.data()) {
    pending_ = {pending_.data(), pending_.size() + bytes.size()};
    return;
  }
  Flush();
  pending_ = bytes;
}

void StructWriter::Write(const Piece& piece) {
  const bool is_as_written = piece.cut == 0 && !piece.has_idle_bits && !piece.bytes.empty();
  if (is_as_written) return WriteRun(piece.id, 1, piece.bytes);
  Count(piece.id);
  WritePiece(piece, body());
}

std::string StructWriter::FinishWith(std::string_view deleted) {
  Flush();
  Lib0Writer heads;
  std::vector<std::size_t> ends;  // Of each group's head, in `heads`.
  heads.VarUint(groups_.size());
  for (const Group& group : groups_) {
    heads.VarUint(group.structs);
    heads.VarUint(group.first.client.value());
    heads.VarUint(group.first.clock);
    ends.push_back(heads.size_bytes());
  }
  // The structs move apart, the last group's first, and the heads come in between.
  const std::size_t size = body_.size_bytes();
  body_.Reserve(size + heads.size_bytes() + deleted.size());
  char* const begin = body_.Claim(heads.size_bytes()) - size;
  for (std::size_t i = groups_.size(); i-- > 0;) {
    const std::size_t end = i + 1 < groups_.size() ? groups_[i + 1].begin : size;
    const std::size_t head_begin = i > 0 ? ends[i - 1] : 0;
    char* const structs = begin + groups_[i].begin;
    std::memmove(structs + ends[i], structs, end - groups_[i].begin);
    heads.view().substr(head_begin).copy(structs + head_begin, ends[i] - head_begin);
  }
  if (groups_.empty()) heads.view().copy(begin, heads.size_bytes());
  body_.Raw(deleted);
  groups_.clear();
  return body_.Take();
}

std::string StructWriter::Finish(const DeleteSet& deleted) { return FinishWith(deleted.Encode()); }

}  // namespace coterie::crdt
