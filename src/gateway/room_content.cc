#include "gateway/room_content.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "yproto/frame.h"

namespace coterie::gateway {

bool RoomContent::Load(Revision revision, std::string_view update) {
  const Blob frame(yproto::EncodeSync(yproto::SyncStep::kAnswer, update));
  crdt::UpdateView view;
  const std::string_view kept = frame.view().substr(frame.size_bytes() - update.size());
  if (crdt::UpdateView::Open(kept, view)) return false;
  whole_frame_ = frame;
  view_ = view;
  tail_.clear();
  tail_bytes_ = 0;
  state_vector_ = view_.state_vector();
  deleted_ = view_.deleted();
  revision_ = revision;
  is_loaded_ = true;
  return true;
}

void RoomContent::Append(const Blob& frame) {
  tail_.push_back(frame);
  tail_bytes_ += frame.size_bytes();
}

void RoomContent::Learn(Revision revision, std::string_view update) {
  CHECK(is_loaded_);
  revision_ = revision;
  crdt::UpdateView view;
  if (crdt::UpdateView::Open(update, view)) return;  // The machine's own: it cannot be malformed.
  Learn(view);
}

void RoomContent::Learn(const crdt::UpdateView& update) {
  std::vector<std::pair<crdt::Client, crdt::Clock>> clocks;
  for (const crdt::UpdateView::Group& group : update.groups()) {
    // What lies behind a gap is not there yet for those who count clocks.
    if (group.begin <= state_vector_.At(group.client)) clocks.emplace_back(group.client, group.gap);
  }
  std::sort(clocks.begin(), clocks.end());
  crdt::StateVector news;
  for (const auto& [client, clock] : clocks) news.Set(client, clock);
  state_vector_.Raise(news);
  deleted_.Add(update.deleted());
}

bool RoomContent::is_worn() const {
  return tail_bytes_ > std::max(kTailBytesMin, whole_frame_.size_bytes() / 4);
}

bool RoomContent::is_full() const {
  return tail_bytes_ > std::max(kTailBytesMax, whole_frame_.size_bytes() / 2);
}

std::vector<Blob> RoomContent::AnswerTo(const crdt::StateVector& known) const {
  CHECK(is_loaded_);
  std::vector<Blob> frames;
  if (known.empty()) {
    frames.push_back(whole_frame_);
  } else {
    frames.emplace_back(yproto::EncodeSync(yproto::SyncStep::kAnswer, view_.Diff(known)));
  }
  frames.insert(frames.end(), tail_.begin(), tail_.end());
  return frames;
}

bool RoomContent::Covers(const crdt::UpdateView& update) const {
  const bool has_structs = std::all_of(update.groups().begin(), update.groups().end(),
                                       [&](const crdt::UpdateView::Group& group) {
                                         return group.end <= state_vector_.At(group.client);
                                       });
  if (!has_structs) return false;
  const crdt::DeleteSet deleted = update.deleted();
  for (const auto& [client, ranges] : deleted.clients()) {
    // Both ascend. Whoever reconnects brings all that was ever deleted.
    const crdt::DeleteSet::Ranges& ours = deleted_.Of(client);
    auto known = ours.begin();
    for (const crdt::ClockRange& range : ranges) {
      while (known != ours.end() && known->end < range.end) ++known;
      if (known == ours.end() || known->begin > range.begin) return false;
    }
  }
  return true;
}

}  // namespace coterie::gateway
