#include "rpc/deadline.h"

#include <algorithm>

namespace coterie::rpc {

absl::Time DeadlineAt(absl::Time now, absl::Time asked, const Policy& policy) {
  if (asked > now + absl::Hours(24 * 365)) return now + absl::Seconds(kSecondsDefault);
  return std::min(asked, now + absl::Seconds(policy.seconds_max));
}

}  // namespace coterie::rpc
