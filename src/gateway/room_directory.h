#pragma once

// Which documents have rooms on this node, and whose: what the apply thread must know of them. A
// room's users are entered on the apply thread, with their roles, so that no later change of a role
// can pass between the two unseen. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"

namespace coterie::gateway {

class RoomDirectory : public std::enable_shared_from_this<RoomDirectory> {
 public:
  // One user's interest in one document, for as long as it lives.
  class Entry {
   public:
    Entry(std::shared_ptr<RoomDirectory> directory, DocId doc, std::string user)
        : directory_(std::move(directory)), doc_(doc), user_(std::move(user)) {}
    ~Entry() { directory_->Leave(doc_, user_); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    const std::shared_ptr<RoomDirectory> directory_;
    const DocId doc_;
    const std::string user_;
  };

  std::shared_ptr<Entry> Enter(DocId doc, const std::string& user);
  bool Contains(DocId doc) const;
  std::vector<std::string> UsersOf(DocId doc) const;
  std::vector<DocId> Documents() const;

 private:
  void Leave(DocId doc, const std::string& user);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<DocId, std::map<std::string, std::size_t>> users_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::gateway
