#include <vector>

#include "base/check.h"
#include "crdt/merge.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

// Joins structs as a document would join their items. That they are neighbours in the document need
// not be known: who must put something between them splits the joined one, which restores the same
// origins.
class Squasher {
 public:
  void Add(const StructView& view, std::string_view bytes, bool is_first_of_client);
  std::string Finish(const DeleteSet& deleted);

 private:
  bool Continues(const StructView& view) const;
  void Flush();
  void WriteJoined(Lib0Writer& writer);

  StructWriter writer_;
  StructView first_;
  std::string_view first_bytes_;
  std::vector<std::string_view> payloads_;  // Of what is joined; empty = nothing is held back.
  Clock length_ = 0;
  // Whether it is an element of a list for sure. The values of a map's key follow each other too,
  // but must stay apart: each but the last is deleted by the next one.
  bool is_in_list_ = false;
};

bool Squasher::Continues(const StructView& view) const {
  if (payloads_.empty() || view.content != first_.content) return false;
  switch (view.content) {
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
  const Id last = {.client = first_.id.client, .clock = first_.id.clock + length_ - 1};
  return view.has_origin && view.origin == last &&
         view.has_right_origin == first_.has_right_origin &&
         view.right_origin == first_.right_origin && view.has_parent_sub == first_.has_parent_sub;
}

void Squasher::Add(const StructView& view, std::string_view bytes, bool is_first_of_client) {
  CHECK(is_first_of_client || view.id.client == first_.id.client);
  if (!is_first_of_client && Continues(view)) {
    payloads_.push_back(view.payload);
    length_ += view.length;
    return;
  }
  const Id last = {.client = first_.id.client, .clock = first_.id.clock + length_ - 1};
  const bool follows_list =
      !is_first_of_client && is_in_list_ && view.has_origin && view.origin == last;
  Flush();
  is_in_list_ = !view.has_parent_sub && (view.content == ContentKind::kString || follows_list ||
                                         view.parent != ParentKind::kNeighbour);
  first_ = view;
  first_bytes_ = bytes;
  payloads_.push_back(view.payload);
  length_ = view.length;
}

void Squasher::WriteJoined(Lib0Writer& writer) {
  if (first_.content == ContentKind::kGc) {
    writer.U8(0);
    return writer.VarUint(length_);
  }
  WriteItemHead(first_, writer);
  if (first_.content == ContentKind::kDeleted) return writer.VarUint(length_);
  if (first_.content == ContentKind::kString) {
    std::size_t size = 0;
    for (const std::string_view text : payloads_) size += text.size();
    writer.VarUint(size);
    for (const std::string_view text : payloads_) writer.Raw(text);
    return;
  }
  writer.VarUint(length_);
  for (const std::string_view counted : payloads_) {
    Lib0Reader reader(counted);
    static_cast<void>(reader.VarUint());
    writer.Raw(reader.ahead());
  }
}

void Squasher::Flush() {
  if (payloads_.empty()) return;
  StructSpan span{
      .id = first_.id, .length = first_.length, .content = first_.content, .bytes = first_bytes_};
  // Idle bits stay: they are all that says that a struct with a neighbour is in a map.
  if (payloads_.size() == 1) {
    writer_.Write(Piece(span));
  } else {
    writer_.Count(first_.id);
    WriteJoined(writer_.body());
  }
  payloads_.clear();
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
  while (reader.Next(view)) squasher.Add(view, reader.bytes(), reader.is_first_of_client());
  Lib0Reader& rest = reader.rest();
  DeleteSet deleted = DeleteSet::Decode(rest);
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (!rest.ok()) return {.malformed = rest.malformed()};
  return {.update = squasher.Finish(deleted)};
}

}  // namespace coterie::crdt
