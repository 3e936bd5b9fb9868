#include "gateway/room_directory.h"

#include "base/check.h"

namespace coterie::gateway {

std::shared_ptr<RoomDirectory::Entry> RoomDirectory::Enter(DocId doc, const std::string& user) {
  {
    absl::MutexLock lock(&mutex_);
    ++users_[doc][user];
  }
  return std::make_shared<Entry>(shared_from_this(), doc, user);
}

void RoomDirectory::Leave(DocId doc, const std::string& user) {
  absl::MutexLock lock(&mutex_);
  const auto found = users_.find(doc);
  CHECK(found != users_.end());
  const auto entry = found->second.find(user);
  CHECK(entry != found->second.end());
  if (--entry->second == 0) found->second.erase(entry);
  if (found->second.empty()) users_.erase(found);
}

bool RoomDirectory::Contains(DocId doc) const {
  absl::MutexLock lock(&mutex_);
  return users_.contains(doc);
}

std::vector<std::string> RoomDirectory::UsersOf(DocId doc) const {
  std::vector<std::string> users;
  absl::MutexLock lock(&mutex_);
  const auto found = users_.find(doc);
  if (found == users_.end()) return users;
  for (const auto& [user, count] : found->second) users.push_back(user);
  return users;
}

std::vector<DocId> RoomDirectory::Documents() const {
  std::vector<DocId> documents;
  absl::MutexLock lock(&mutex_);
  for (const auto& [doc, users] : users_) documents.push_back(doc);
  return documents;
}

}  // namespace coterie::gateway
