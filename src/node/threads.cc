#include "node/threads.h"

#include <pthread.h>

namespace coterie::node {
namespace {

constexpr absl::Duration kWaitMax = absl::Seconds(1);

}  // namespace

Threads::Threads(Replica& replica) : replica_(replica) {
  Run(&Replica::PumpCore, "core");
  Run(&Replica::PumpLog, "log");
  Run(&Replica::PumpApply, "apply");
  Run(&Replica::PumpSnapshots, "snapshot");
}

Threads::~Threads() {
  is_stopping_.store(true);
  replica_.Close();
  threads_.clear();  // Joins.
  replica_.Finish();
}

void Threads::Run(Pump pump, const char* name) {
  threads_.emplace_back([this, pump, name] {
    static_cast<void>(pthread_setname_np(pthread_self(), name));
    while (!is_stopping_.load(std::memory_order_relaxed)) (replica_.*pump)(kWaitMax);
  });
}

}  // namespace coterie::node
