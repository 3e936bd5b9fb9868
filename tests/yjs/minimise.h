#pragma once

// Makes a failing scenario small: leaves out whatever it still fails without. Pure but for `fails`.

#include <functional>

#include "tests/yjs/scenario.h"

namespace coterie::tests {

// Requires that `fails` is true of `scenario`; it is of the result. What it begins with (reset, the
// documents and their roots) stays.
Scenario Minimise(Scenario scenario, const std::function<bool(const Scenario&)>& fails);

}  // namespace coterie::tests
