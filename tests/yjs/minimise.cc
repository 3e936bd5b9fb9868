#include "tests/yjs/minimise.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "base/check.h"

namespace coterie::tests {
namespace {

using Fails = std::function<bool(const Scenario&)>;

bool IsPreparation(const Json& command) {
  const std::string& verb = command.at(0).get_ref<const std::string&>();
  return verb == "reset" || verb == "doc.new" || verb == "roots" || verb == "observe" ||
         verb == "undo.track";
}

// Leaves out runs of `list` from `first` on, large ones before small ones, as long as `fails`,
// which looks at `list`, still holds. True if something is gone.
template <typename List, typename StillFails>
bool LeaveOut(List& list, std::size_t first, const StillFails& fails) {
  bool is_smaller = false;
  for (std::size_t run = std::max<std::size_t>((list.size() - first) / 2, 1); run > 0; run /= 2) {
    for (std::size_t begin = first; begin < list.size();) {
      List whole = list;
      const auto from = list.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::size_t end = std::min(begin + run, list.size());
      list.erase(from, list.begin() + static_cast<std::ptrdiff_t>(end));
      if (fails()) {
        is_smaller = true;
      } else {
        list = std::move(whole);
        begin += run;
      }
    }
  }
  return is_smaller;
}

// The lists within a command: edits of one transaction, updates of one exchange.
bool ShrinkCommand(Scenario& scenario, std::size_t i, const Fails& fails) {
  const auto still_fails = [&] { return fails(scenario); };
  Json& command = scenario.commands[i];
  const std::string verb = command.at(0);
  if (verb == "edit" && command.size() > 3) return LeaveOut(command, 2, still_fails);
  if (verb.starts_with("send") && command.at(3).is_array() && command.at(3).size() > 1) {
    return LeaveOut(command.at(3), 0, still_fails);
  }
  return false;
}

}  // namespace

Scenario Minimise(Scenario scenario, const Fails& fails) {
  CHECK(fails(scenario));
  const auto first = static_cast<std::size_t>(
      std::find_if_not(scenario.commands.begin(), scenario.commands.end(), IsPreparation) -
      scenario.commands.begin());
  bool is_smaller = true;
  while (is_smaller) {
    is_smaller = LeaveOut(scenario.commands, first, [&] { return fails(scenario); });
    for (std::size_t i = first; i < scenario.commands.size(); ++i) {
      is_smaller = ShrinkCommand(scenario, i, fails) || is_smaller;
    }
  }
  return scenario;
}

}  // namespace coterie::tests
