#pragma once

// How a program that computes for a long time keeps out of the way of those that answer people.

namespace coterie::bin {

// Makes this process less urgent than others by `nice`, 0 to 19, as to its share of the processors.
// 0 = as urgent as they are. Before threads are started: they inherit it. False if the system
// refuses.
bool BecomeLessUrgent(int nice);

}  // namespace coterie::bin
