#include "state/shared_names.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::state {
namespace {

std::optional<std::string_view> FirstAfter(const std::set<std::string_view>& names,
                                           std::string_view after) {
  const auto next = after.empty() ? names.begin() : names.upper_bound(after);
  if (next == names.end()) return std::nullopt;
  return *next;
}

}  // namespace

void SharedNames::Add(std::string_view name, const DocumentRecord& document) {
  for (const Grant& grant : document.grants) of_user_[grant.user].insert(name);
  if (document.everyone != DocumentRole::kNone) of_everyone_.insert(name);
}

void SharedNames::Remove(std::string_view name, const DocumentRecord& document) {
  for (const Grant& grant : document.grants) {
    const auto names = of_user_.find(grant.user);
    CHECK(names != of_user_.end() && names->second.erase(name) == 1);
    if (names->second.empty()) of_user_.erase(names);
  }
  if (document.everyone != DocumentRole::kNone) CHECK(of_everyone_.erase(name) == 1);
}

std::optional<std::string_view> SharedNames::Next(std::string_view user,
                                                  std::string_view after) const {
  const std::optional<std::string_view> shared = FirstAfter(of_everyone_, after);
  const auto names = of_user_.find(user);
  if (names == of_user_.end()) return shared;
  const std::optional<std::string_view> granted = FirstAfter(names->second, after);
  return shared && granted ? std::min(*shared, *granted) : shared ? shared : granted;
}

std::size_t SharedNames::CountAtMost(std::string_view user) const {
  const auto names = of_user_.find(user);
  return of_everyone_.size() + (names == of_user_.end() ? 0 : names->second.size());
}

}  // namespace coterie::state
