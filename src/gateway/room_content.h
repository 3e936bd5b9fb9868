#pragma once

// What a room has of its document: one immutable encoding of the whole as of some revision, shared
// by all who join, and the updates since. Answers what a client lacks without building a document,
// and whether an update brings anything new. One owner: the room.

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "crdt/delete_set.h"
#include "crdt/state_vector.h"
#include "crdt/update_view.h"

namespace coterie::gateway {

class RoomContent {
 public:
  // Above this the difference to a state vector is better computed where the document is indexed.
  static constexpr std::size_t kScannedBytesMax = 1 << 20;
  // Updates that are kept before the whole is encoded anew for the next who joins.
  static constexpr std::size_t kTailBytesMin = 64 << 10;
  static constexpr std::size_t kTailBytesMax = 4 << 20;

  // `update` is the whole content as of the document's `revision`. False if it is malformed.
  [[nodiscard]] bool Load(Revision revision, std::string_view update);
  // The document's next change. Who joins is sent it with a frame that follows. Requires
  // is_loaded().
  void Learn(Revision revision, std::string_view update);
  // A message with what was learnt and not yet in a frame.
  void Append(const Blob& frame);
  // A change that is no news.
  void Advance(Revision revision) { revision_ = revision; }

  bool is_loaded() const { return is_loaded_; }
  // Of the document's last change here.
  Revision revision() const { return revision_; }
  // Whether so much has changed that who joins is better served by a new encoding.
  bool is_worn() const;
  // Whether the tail takes too much memory: Load() anew.
  bool is_full() const;
  // Whether AnswerTo() would scan too much for the room's thread.
  bool is_too_large_to_scan() const { return whole_frame_.size_bytes() > kScannedBytesMax; }
  const crdt::StateVector& state_vector() const { return state_vector_; }

  // As messages of y-protocols: what someone lacks who has `known`. The first is an answer ("step
  // 2"); updates follow. Requires is_loaded().
  std::vector<Blob> AnswerTo(const crdt::StateVector& known) const;
  // Whether all that the update says is here. Requires a valid update.
  bool Covers(const crdt::UpdateView& update) const;

 private:
  void Learn(const crdt::UpdateView& update);

  bool is_loaded_ = false;
  Revision revision_;
  Blob whole_frame_;        // An answer with the whole.
  crdt::UpdateView view_;   // Of what is in it.
  std::vector<Blob> tail_;  // Frames.
  std::size_t tail_bytes_ = 0;
  crdt::StateVector state_vector_;
  crdt::DeleteSet deleted_;
};

}  // namespace coterie::gateway
