#pragma once

// Which documents somebody may see, in the order of their names: an index over their roles, so that
// who sees few of many is listed those few and not asked about all. It may say more than is so (a
// grant of an account that was removed, a role of none): who lists asks for the role of each.
// Private to state/; made anew whenever the state is loaded. Owner: the apply thread.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "state/records.h"

namespace coterie::state {

class SharedNames {
 public:
  // Of a document that is alive, before and after what changes its record; the caller keeps `name`,
  // which is its name, where it is meanwhile. Both cost O(grants log n).
  void Add(std::string_view name, const DocumentRecord& document);
  void Remove(std::string_view name, const DocumentRecord& document);
  // The first name after `after`, or of all if that is empty, of those that the user may see.
  std::optional<std::string_view> Next(std::string_view user, std::string_view after) const;
  // How many names Next() goes through, those counted twice that it comes upon in two ways.
  std::size_t CountAtMost(std::string_view user) const;

  bool operator==(const SharedNames&) const = default;

 private:
  using Names = std::set<std::string_view>;
  std::map<std::string, Names, std::less<>> of_user_;  // By a grant; nobody with none.
  Names of_everyone_;
};

}  // namespace coterie::state
