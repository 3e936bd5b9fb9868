#pragma once

// What the rooms of a gateway do (gateway/joint_proposals.h), in the simulator: what clients write
// by one server in one document within a turn goes into the log as one entry. An answer that does
// not come is the client's to miss: it writes again under the same request, in whatever company.
// Owner: the run.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/schedule.h"
#include "sim/server.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::sim {

class Rooms {
 public:
  using Done = std::function<void(const absl::StatusOr<state::Outcome>&)>;

  Rooms(Schedule& schedule, std::uint64_t seed) : schedule_(schedule), prng_(seed) {}

  // Requires that the server is up. `done` runs at most once.
  void Write(Server& server, DocId doc, state::UpdatePart part, absl::Duration timeout, Done done);
  // Entries of several clients that were answered.
  std::uint64_t joint_edits() const { return joint_edits_; }

 private:
  struct Turn {
    std::uint64_t life = 0;  // Of the server.
    std::vector<state::UpdatePart> parts;
    std::vector<Done> dones;
  };

  void End(Server& server, DocId doc, absl::Duration timeout);

  Schedule& schedule_;
  Prng prng_;
  std::map<std::pair<NodeId, DocId>, Turn> turns_;
  std::uint64_t joint_edits_ = 0;
};

}  // namespace coterie::sim
