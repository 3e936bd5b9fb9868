#pragma once

// Writes an update from structs that are copied from other updates, whole or without their front,
// grouped by client as they come. Structs that were neighbours where they come from are copied in
// one piece. Pure value; one owner. Source: yjs 13.6, LazyStructWriter in src/utils/updates.js,
// and the write() of the structs and contents.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

// A struct of an update, or what is left of it.
struct Piece {
  Id id;
  Clock length = 0;
  ContentKind content = ContentKind::kGc;
  bool has_idle_bits = false;
  Clock cut = 0;           // How much is gone from the front of what `bytes` says.
  std::string_view bytes;  // Empty: a kGc or kSkip that is nowhere written like that.

  Piece() = default;
  explicit Piece(const StructSpan& span)
      : id(span.id),
        length(span.length),
        content(span.content),
        has_idle_bits(span.has_idle_bits),
        bytes(span.bytes) {}
  Clock end() const { return id.clock + length; }
  // Requires more than `clocks` to be there.
  void CutFront(Clock clocks);
};

class StructWriter {
 public:
  // Makes room for so much, and for a little more.
  void Reserve(std::size_t bytes) { body_.Reserve(bytes + kHeadsBytes); }
  // Begins a group, if the last struct was another client's.
  void Write(const Piece& piece);
  // Structs of one group that follow each other, the first one as `first`; all canonical.
  void WriteRun(Id first, std::uint64_t structs, std::string_view bytes);
  // Structs of one client that the caller writes, into body(). Before that, if they begin a group.
  void Count(Id first, std::uint64_t structs = 1);
  Lib0Writer& body();

  // The whole update. The writer is empty afterwards.
  std::string Finish(const DeleteSet& deleted);
  // The same with a delete set that is written already.
  std::string FinishWith(std::string_view deleted);

 private:
  struct Group {
    Id first;
    std::uint64_t structs = 0;
    std::size_t begin = 0;  // In body_.
  };
  static constexpr std::size_t kHeadsBytes = 256;
  void Flush();

  Lib0Writer body_;
  std::vector<Group> groups_;
  std::string_view pending_;  // To be copied behind body_; within one update.
};

// The piece alone, as Yjs would write it.
void WritePiece(const Piece& piece, Lib0Writer& writer);

// All of an item but its content.
void WriteItemHead(const StructView& view, Lib0Writer& writer);

// `view` without its first `cut` clocks, as Yjs writes it: what was cut is the origin. Requires
// 0 < cut < view.length.
void WriteItemFrom(const StructView& view, Clock cut, Lib0Writer& writer);

// Where the UTF-16 unit `units` of a text begins. If that is within a code point of two units then
// `is_within_pair`, and the offset is behind the code point.
struct TextCut {
  std::size_t offset_bytes = 0;
  bool is_within_pair = false;
};
TextCut FindUtf16(std::string_view text, std::uint64_t units);

}  // namespace coterie::crdt
