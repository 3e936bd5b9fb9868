#pragma once

// What the alarms of a node (Status::alarms) mean, for its log, its readiness and its refusals.
// Pure.

#include <string>

namespace coterie::node {

// What to say behind "this node" where it begins with a blank, else behind the alarm's name. Empty
// if the name says it.
std::string WhatToDo(const std::string& alarm);

}  // namespace coterie::node
