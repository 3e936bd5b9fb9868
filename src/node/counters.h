#pragma once

// What one member of the cluster counts about its log and its elections. Any thread.

#include "runtime/counters.h"

namespace coterie::node {

struct Counters {
  runtime::Counter leader_changes;  // Of the leader that this node knows, to another one or none.
  runtime::Counter elections_won;
  runtime::Counter snapshots_taken;
  runtime::Counter snapshots_sent;       // Whole ones.
  runtime::Counter snapshots_installed;  // From a leader.
  runtime::Counter frames_dropped;       // Malformed, of another cluster, or of a newer program.
  runtime::Histogram log_append;         // Until a batch of the log is durable.
};

}  // namespace coterie::node
