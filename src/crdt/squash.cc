// SquashUpdate() of merge.h: one pass over the structs of an update, on their bytes, that joins
// what one client wrote one behind the other. Texts, which typing makes a struct for each letter
// of, are looked at many at once. Source of what may be joined: yjs 13.6, Item.mergeWith.

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "base/check.h"
#include "crdt/merge.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::size_t kTextsAtOnce = 64;
// What is made may be far smaller than what it is made of.
constexpr std::size_t kRoomBytesMax = std::size_t{256} << 10;

// Joins structs as a document would join their items. That they are neighbours in the document need
// not be known: who must put something between them splits the joined one, which restores the same
// origins.
class Squasher {
 public:
  // Begins with room for so much.
  explicit Squasher(std::size_t room_bytes) { writer_.Reserve(room_bytes); }
  void Add(const StructView& view, std::string_view bytes, bool is_first_of_client);
  // What follows that, of the same client; at most kTextsAtOnce.
  void Add(std::span<const TextStruct> texts);
  std::string Finish(const DeleteSet& deleted);

 private:
  // What decides whether a struct continues the one that is held back.
  struct Seam {
    Id id;
    ContentKind content = ContentKind::kGc;
    bool has_origin = false;
    bool has_right_origin = false;
    bool has_parent_sub = false;
    Id origin;
    Id right_origin;
  };
  static Seam SeamOf(const TextStruct& text, Client client);
  bool Continues(const Seam& seam) const;
  static bool IsBehindLast(const Seam& seam);
  struct Joints {
    std::uint64_t joined = 0;
    std::uint64_t alone = 0;
  };
  static Joints FindJoints(std::span<const TextStruct> texts, Client client);
  void AddText(const TextStruct& text, bool is_joined);
  void EnterText(const TextStruct& text);
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

Squasher::Seam Squasher::SeamOf(const TextStruct& text, Client client) {
  return {.id = {.client = client, .clock = text.clock},
          .content = text.content,
          .has_origin = text.has_origin,
          .has_right_origin = text.has_right_origin,
          .origin = text.origin,
          .right_origin = text.right_origin};
}

// Whether its origin is the last one of what its client wrote before it.
bool Squasher::IsBehindLast(const Seam& seam) {
  return seam.has_origin & (seam.origin.client == seam.id.client) &
         (seam.origin.clock + std::uint64_t{1} == seam.id.clock);
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
  joined_.Truncate(0);
  joined_.Raw(WithoutCount(held_.content, held_.payload));
}

void Squasher::Add(const StructView& view, std::string_view bytes, bool is_first_of_client) {
  CHECK(is_first_of_client || view.id.client == held_.id.client);
  const Seam seam = {.id = view.id,
                     .content = view.content,
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

// Which of them continue the one before, and which stay as they are, alone: neither they nor the
// next ones do. Bit i is that of texts[i]; of the first and the last one it is not known. A string
// that is told as a text is in a list for sure, and what a struct is behind is the one before it.
Squasher::Joints Squasher::FindJoints(std::span<const TextStruct> texts, Client client) {
  std::uint64_t joined = 1;
  std::uint64_t with_letters = 0;
  for (std::size_t i = 1; i < texts.size(); ++i) {
    const TextStruct& text = texts[i];
    const TextStruct& before = texts[i - 1];
    const bool is_joined = IsBehindLast(SeamOf(text, client)) & (text.content == before.content) &
                           (text.has_right_origin == before.has_right_origin) &
                           (text.right_origin.client == before.right_origin.client) &
                           (text.right_origin.clock == before.right_origin.clock);
    joined |= std::uint64_t{is_joined} << i;
    with_letters |= std::uint64_t{text.letters > 0} << i;
  }
  const std::uint64_t last = std::uint64_t{1} << (texts.size() - 1);
  return {.joined = joined, .alone = ~(joined | joined >> 1 | with_letters | last)};
}

void Squasher::Add(std::span<const TextStruct> texts) {
  CHECK(texts.size() <= kTextsAtOnce);
  if (texts.empty()) return;
  const Client client = held_.id.client;
  const Joints joints = FindJoints(texts, client);
  AddText(texts[0], Continues(SeamOf(texts[0], client)));
  for (std::size_t i = 1; i < texts.size();) {
    const auto alone = static_cast<std::size_t>(std::countr_one(joints.alone >> i));
    if (alone == 0) {
      AddText(texts[i], (joints.joined >> i & 1) != 0);
      ++i;
      continue;
    }
    Flush();
    for (const TextStruct& text : texts.subspan(i, alone)) EnterText(text);
    const TextStruct& last = texts[i + alone - 1];
    const char* const begin = texts[i].bytes.data();
    const char* const end = last.bytes.data() + last.bytes.size();
    writer_.WriteRun({.client = client, .clock = texts[i].clock}, alone,
                     {begin, static_cast<std::size_t>(end - begin)});
    i += alone;
  }
}

// Whether the next one is in a list for sure.
void Squasher::EnterText(const TextStruct& text) {
  const bool is_behind = IsBehindLast(SeamOf(text, held_.id.client));
  is_in_list_ = (text.content == ContentKind::kString) | (is_in_list_ & is_behind);
}

void Squasher::AddText(const TextStruct& text, bool is_joined) {
  if (is_joined) {
    BeginJoin();
    joined_.Raw(text.text());
    length_ += text.length;
  } else {
    EnterText(text);
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
  Squasher squasher(std::min(update.size(), kRoomBytesMax));
  StructView view;
  std::array<TextStruct, kTextsAtOnce> texts;
  while (reader.Next(view)) {
    squasher.Add(view, reader.bytes(), reader.is_first_of_client());
    for (;;) {
      const std::span<const TextStruct> told = reader.NextTexts(texts);
      if (told.empty()) break;
      squasher.Add(told);
    }
  }
  Lib0Reader& rest = reader.rest();
  DeleteSet deleted = DeleteSet::Decode(rest);
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (!rest.ok()) return {.malformed = rest.malformed()};
  return {.update = squasher.Finish(deleted)};
}

}  // namespace coterie::crdt
