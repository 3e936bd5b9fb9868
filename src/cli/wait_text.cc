#include "cli/wait_text.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cstdint>
#include <vector>

namespace coterie::cli {
namespace {

constexpr std::size_t kClientsMax = 3;

}  // namespace

std::string WaitText(const crdt::Waiting& waiting) {
  std::vector<std::string> parts;
  for (const auto& [client, clock] : waiting.structs.clocks()) {
    if (parts.size() == kClientsMax) break;
    // One more than the first clock that has to come.
    parts.push_back(absl::StrCat("client ", client.value(), " up to clock ", clock - 1));
  }
  const std::size_t more = waiting.structs.clocks().size() - parts.size();
  if (more > 0) parts.push_back(absl::StrCat("and ", more, " more clients"));
  std::uint64_t deleted = 0;
  for (const auto& [client, ranges] : waiting.deleted.clients()) {
    for (const crdt::ClockRange& range : ranges) deleted += range.end - range.begin;
  }
  if (deleted > 0) parts.push_back(absl::StrCat(deleted, " clocks that it deletes"));
  return absl::StrJoin(parts, ", ");
}

}  // namespace coterie::cli
