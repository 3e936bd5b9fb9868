#include "rpc/working_mark.h"

#include <absl/time/clock.h>
#include <sodium.h>

#include <optional>
#include <utility>

#include "rpc/await.h"
#include "state/machine.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kShowAgain = absl::Seconds(10);

std::uint64_t RandomId() {
  std::uint32_t id = 0;
  while (id == 0) id = randombytes_random();
  return id;
}

}  // namespace

WorkingMark::WorkingMark(const NodeCalls& calls, const AssistTask& task, std::string name,
                         GuestListener listener)
    : calls_(calls), call_(task.call), listener_(std::move(listener)) {
  guest_ = {.session = call_.caller.session,
            .user = call_.caller.user,
            .name = std::move(name),
            .id = RandomId()};
}

WorkingMark::~WorkingMark() {
  if (guest_.anchor.empty()) return;
  guest_.anchor.clear();
  Show();
}

void WorkingMark::MoveTo(DocId doc, Revision revision, std::uint64_t position) {
  if (!listener_) return;
  Cancellation never;
  const absl::StatusOr<std::string> anchor =
      Await<std::string>(never, [&](std::function<void(absl::StatusOr<std::string>)> done) {
        calls_.Ask<std::string>(
            StepOf(call_), node::Consistency::kStale,
            [doc, revision, position](const state::Machine& state) -> absl::StatusOr<std::string> {
              const std::optional<state::Writing> followed =
                  state.Follow(doc, {.revision = revision, .at = position}, Revision());
              if (!followed) return absl::NotFoundError("the place is lost");
              return followed->anchor;
            },
            std::move(done));
      });
  if (!anchor.ok() || anchor->empty()) return;
  guest_.doc = doc;
  guest_.anchor = *anchor;
  Show();
}

void WorkingMark::Refresh() {
  if (!guest_.anchor.empty() && absl::Now() > shown_at_ + kShowAgain) Show();
}

void WorkingMark::Show() {
  shown_at_ = absl::Now();
  if (listener_) listener_(guest_);
}

}  // namespace coterie::rpc
