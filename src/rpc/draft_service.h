#pragma once

// coterie.v1.DraftService: what a document did not take, kept for those whom it concerns. What
// merging would change is computed on a thread that may take its time. Any thread.

#include "coterie/v1/drafts.pb.h"
#include "rpc/call.h"
#include "rpc/node_calls.h"
#include "rpc/work_threads.h"

namespace coterie::rpc {

// That compare drafts with documents.
inline constexpr std::size_t kDraftThreads = 1;

class DraftService {
 public:
  // Of larger contents the changes are left out: those that wait to be compared are in memory.
  static constexpr std::size_t kComparedBytesMax = 4 << 20;

  DraftService(const NodeCalls& calls, WorkThreads& threads) : calls_(calls), threads_(threads) {}

  void ListDrafts(const Call& call, v1::ListDraftsRequest request,
                  Reply<v1::ListDraftsResponse> reply);
  void GetDraft(const Call& call, v1::GetDraftRequest request, Reply<v1::GetDraftResponse> reply);
  void MergeDraft(const Call& call, v1::MergeDraftRequest request,
                  Reply<v1::MergeDraftResponse> reply);
  void DropDraft(const Call& call, v1::DropDraftRequest request,
                 Reply<v1::DropDraftResponse> reply);

 private:
  const NodeCalls& calls_;
  WorkThreads& threads_;
};

}  // namespace coterie::rpc
