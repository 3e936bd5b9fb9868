#pragma once

// A simulated subscriber: follows the events from the last revision it was told of, on one server
// after another, as Subscribe does (rpc/): listen first, then read what the first live batch leaves
// open. Owner: the run.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/client.h"
#include "sim/history.h"

namespace coterie::sim {

class Subscriber {
 public:
  Subscriber(Neighbourhood& around, std::uint64_t number);
  void Start() { Connect(); }
  // Hands over what it was told.
  void Finish();
  Revision reached() const { return reached_; }

 private:
  struct Connection {
    NodeId at;
    std::uint64_t life = 0;
    std::uint64_t listener = 0;
    bool is_caught_up = false;
    std::deque<Told> live;  // Until then.
  };
  void Connect();
  void Disconnect();
  void ConnectLater();
  void CatchUp();
  void OnCaughtUp(const std::vector<Told>& missed, Revision at);
  void OnLive(const state::EventBatch& batch);
  void Take(const Told& told);
  bool IsConnected(const std::shared_ptr<Connection>& connection) const;

  Neighbourhood& around_;
  Prng prng_;
  std::shared_ptr<Connection> connection_;  // Null = none; callbacks of older ones are ignored.
  Revision reached_;
  std::vector<Told> told_;
};

}  // namespace coterie::sim
