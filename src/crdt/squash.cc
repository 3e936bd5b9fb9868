#include <array>
#include <span>

#include "base/check.h"
#include "crdt/merge.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::size_t kTextsAtOnce = 32;

// Joins structs as a document would join their items. That they are neighbours in the document need
// not be known: who must put something between them splits the joined one, which restores the same
// origins.
class Squasher {
 public:
  void Add(const StructView& view, std::string_view bytes, bool is_first_of_client);
  // What follows that, of the same client.
  void Add(const TextStruct& text);
  std::string Finish(const DeleteSet& deleted);

 private:
  // What decides whether a struct continues the one that is held back.
  struct Seam {
    ContentKind content = ContentKind::kGc;
    bool has_origin = false;
    bool has_right_origin = false;
    bool has_parent_sub = false;
    Id origin;
    Id right_origin;
  };
  bool Continues(const Seam& seam) const;
  bool IsBehindLast(const Seam& seam) const;
  void Join(const StructView& view);
  void BeginJoin();
  void Flush();
  void WriteJoined(Lib0Writer& writer);

  StructWriter writer_;
  bool is_holding_ = false;
  StructView held_;  // The first one of what is joined.
  std::string_view held_bytes_;
  Clock length_ = 0;  // Of all that is joined,
  bool is_joined_ = false;
  Lib0Writer joined_;  // and their contents, if these are more than one.
  // Whether it is an element of a list for sure. The values of a map's key follow each other too,
  // but must stay apart: each but the last is deleted by the next one.
  bool is_in_list_ = false;
};

bool Squasher::IsBehindLast(const Seam& seam) const {
  const Id last = {.client = held_.id.client, .clock = held_.id.clock + length_ - 1};
  return seam.has_origin && seam.origin == last;
}

bool Squasher::Continues(const Seam& seam) const {
  if (!is_holding_ || seam.content != held_.content) return false;
  switch (seam.content) {
    case ContentKind::kGc:
      return true;
    case ContentKind::kDeleted:
      break;
    case ContentKind::kString:
    case ContentKind::kAny:
    case ContentKind::kJson:
      if (!is_in_list_) return false;
      break;
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kFormat:
    case ContentKind::kType:
    case ContentKind::kDoc:
    case ContentKind::kSkip:
      return false;
  }
  return IsBehindLast(seam) && seam.has_right_origin == held_.has_right_origin &&
         seam.right_origin == held_.right_origin && seam.has_parent_sub == held_.has_parent_sub;
}

// The content without what is written of all of it together, its length.
std::string_view WithoutCount(ContentKind content, std::string_view payload) {
  if (content != ContentKind::kAny && content != ContentKind::kJson) return payload;
  Lib0Reader reader(payload);
  static_cast<void>(reader.VarUint());
  return reader.ahead();
}

void Squasher::BeginJoin() {
  if (is_joined_) return;
  is_joined_ = true;
  joined_.Clear();
  joined_.Raw(WithoutCount(held_.content, held_.payload));
}

void Squasher::Add(const StructView& view, std::string_view bytes, bool is_first_of_client) {
  CHECK(is_first_of_client || view.id.client == held_.id.client);
  const Seam seam = {.content = view.content,
                     .has_origin = view.has_origin,
                     .has_right_origin = view.has_right_origin,
                     .has_parent_sub = view.has_parent_sub,
                     .origin = view.origin,
                     .right_origin = view.right_origin};
  if (!is_first_of_client && Continues(seam)) {
    BeginJoin();
    joined_.Raw(WithoutCount(view.content, view.payload));
    length_ += view.length;
    return;
  }
  const bool follows_list = !is_first_of_client && is_in_list_ && IsBehindLast(seam);
  Flush();
  is_in_list_ = !view.has_parent_sub && (view.content == ContentKind::kString || follows_list ||
                                         view.parent != ParentKind::kNeighbour);
  is_holding_ = true;
  held_ = view;
  held_bytes_ = bytes;
  length_ = view.length;
}

void Squasher::Add(const TextStruct& text) {
  const Seam seam = {.content = text.content,
                     .has_origin = text.has_origin,
                     .has_right_origin = text.has_right_origin,
                     .origin = text.origin,
                     .right_origin = text.right_origin};
  if (Continues(seam)) {
    BeginJoin();
    joined_.Raw(text.text());
    length_ += text.length;
  } else {
    is_in_list_ = text.content == ContentKind::kString || (is_in_list_ && IsBehindLast(seam));
    Flush();
    is_holding_ = true;
    held_ = StructView{.id = {.client = held_.id.client, .clock = text.clock},
                       .length = text.length,
                       .content = text.content,
                       .has_origin = text.has_origin,
                       .has_right_origin = text.has_right_origin,
                       .origin = text.origin,
                       .right_origin = text.right_origin,
                       .payload = text.text()};
    held_bytes_ = text.bytes;
    length_ = text.length;
  }
  if (text.letters == 0) return;
  BeginJoin();
  text.CopyLetters(joined_);
  length_ += text.letters;
}

void Squasher::WriteJoined(Lib0Writer& writer) {
  if (held_.content == ContentKind::kGc) {
    writer.U8(0);
    return writer.VarUint(length_);
  }
  WriteItemHead(held_, writer);
  const bool is_string = held_.content == ContentKind::kString;
  writer.VarUint(is_string ? joined_.size_bytes() : length_);
  writer.Raw(joined_.view());
}

void Squasher::Flush() {
  if (!is_holding_) return;
  // Idle bits stay: they are all that says that a struct with a neighbour is in a map.
  if (is_joined_) {
    writer_.Count(held_.id);
    WriteJoined(writer_.body());
  } else {
    writer_.WriteRun(held_.id, 1, held_bytes_);
  }
  is_joined_ = false;
  is_holding_ = false;
}

std::string Squasher::Finish(const DeleteSet& deleted) {
  Flush();
  return writer_.Finish(deleted);
}

}  // namespace

MergeResult SquashUpdate(std::string_view update) {
  UpdateReader reader(update);
  Squasher squasher;
  StructView view;
  std::array<TextStruct, kTextsAtOnce> texts;
  while (reader.Next(view)) {
    squasher.Add(view, reader.bytes(), reader.is_first_of_client());
    for (;;) {
      const std::span<const TextStruct> told = reader.NextTexts(texts);
      if (told.empty()) break;
      for (const TextStruct& text : told) squasher.Add(text);
    }
  }
  Lib0Reader& rest = reader.rest();
  DeleteSet deleted = DeleteSet::Decode(rest);
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (!rest.ok()) return {.malformed = rest.malformed()};
  return {.update = squasher.Finish(deleted)};
}

}  // namespace coterie::crdt
