#include "node/alarms.h"

namespace coterie::node {

std::string WhatToDo(const std::string& alarm) {
  if (alarm == "NOSPACE") {
    return ": the disk is almost full; writes are refused until there is room, reads go on";
  }
  if (alarm == "SLOW_DISK") return ": the disk has not finished a write for an election timeout";
  if (alarm == "DIVERGED") return ": this node's state differs from the others'; replace it";
  if (alarm == "REPAIRING") return ": entries that this disk had are fetched from the others";
  if (alarm == "NOT_MEMBER") {
    return " is no member of the cluster: it was removed, or has yet to be added. A removed one is "
           "stopped for good; `coterie cluster add` adds one with an empty folder under a new id";
  }
  if (alarm == "OTHER_DISK") {
    return " has not the disk that the cluster knows under its id, and takes no part: its folder "
           "was lost, or is another's. `coterie cluster remove` it, and add one under a new id "
           "with an empty folder";
  }
  return "";
}

}  // namespace coterie::node
