#pragma once

// A document that sleeps: the bytes of an update, validated once, with an index into them. Answers
// what synchronising needs - the state vector, the difference to another's - without building
// anything. View: the bytes must outlive it. Pure value; copies are cheap to read from any thread.
// Source: yjs 13.6, diffUpdate and encodeStateVectorFromUpdate in src/utils/updates.js.
//
// Reading order of all that works on the bytes alone: lib0.h, update_reader.h, delete_set.h,
// state_vector.h, validate.h, this file, struct_writer.h, merge.h, chains.h, squash.cc, split.h,
// columns.h, update_v2.h. The engine that builds something of them is doc.h.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/state_vector.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

// So many structs lie between two that the index knows.
inline constexpr std::uint64_t kIndexStride = 64;

class UpdateView {
 public:
  // An update of nothing.
  UpdateView() = default;
  // Validates and indexes. On malformed bytes `view` is left as it was.
  static Malformed Open(std::string_view update, UpdateView& view);

  // What this update brings a document that has nothing to: for each client the clocks from 0 on
  // that are here without a gap.
  StateVector state_vector() const;
  // As an update: what is here and not in `known`, and the whole delete set. Equal to what Yjs's
  // diffUpdate makes of the same bytes.
  std::string Diff(const StateVector& known) const;
  // The same with another delete set.
  std::string Diff(const StateVector& known, const DeleteSet& deleted) const;
  DeleteSet deleted() const;

  // One client's structs.
  struct Group {
    Client client;
    Clock begin = 0;
    Clock end = 0;
    Clock gap = 0;  // Where the first skip begins; `end` if there is none.
    std::uint64_t structs = 0;
    std::size_t begin_bytes = 0;  // Of its structs, its head not counted.
    std::size_t end_bytes = 0;
  };
  // As they are written: descending by client, if Yjs wrote them.
  const std::vector<Group>& groups() const { return groups_; }
  std::string_view bytes() const { return update_; }
  std::string_view deleted_bytes() const { return update_.substr(deleted_begin_); }
  // Whether a client's clocks begin above 0, or have a gap: who applies it waits for the rest.
  bool has_gaps() const;

 private:
  // Every kIndexStride-th struct of a group, the first one among them.
  struct Mark {
    Clock clock = 0;
    std::size_t offset_bytes = 0;
  };
  struct Tail;
  void Add(const StructSpan& span, bool is_first_of_client);
  // No mark falls within it.
  void Add(const StructRun& run);
  bool FindTail(std::size_t group, Clock known, Tail& tail) const;
  std::string DiffWith(const StateVector& known, std::string_view deleted) const;
  void CopyCanonical(std::size_t begin, std::size_t end, std::string& to) const;

  std::string_view update_ = std::string_view("\0\0", 2);
  std::size_t deleted_begin_ = 1;
  bool is_deleted_sorted_ = true;  // Its clients descend, as Yjs writes them.
  std::vector<Group> groups_;
  std::vector<std::size_t> first_mark_;  // Of each group, in marks_.
  std::vector<Mark> marks_;
  std::vector<std::size_t> idle_bits_;  // Offsets of the structs that have some; ascending.
};

}  // namespace coterie::crdt
