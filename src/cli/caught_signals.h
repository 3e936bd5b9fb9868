#pragma once

// Signals that must not do yet what they do: while one of these lives, they leave a note instead,
// on whatever thread they arrive (gRPC's do not block them). Who is done with what they would have
// spoiled raises them again. One at a time. Main thread; caught() on any.

#include <csignal>
#include <initializer_list>
#include <utility>
#include <vector>

namespace coterie::cli {

class CaughtSignals {
 public:
  // What is ignored, as SIGHUP under nohup, stays ignored.
  explicit CaughtSignals(std::initializer_list<int> signals);
  ~CaughtSignals();
  CaughtSignals(const CaughtSignals&) = delete;
  CaughtSignals& operator=(const CaughtSignals&) = delete;

  // The last one that came; 0 = none.
  int caught() const;

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace coterie::cli
