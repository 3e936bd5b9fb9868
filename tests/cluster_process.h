#pragma once

// A cluster of real coterie-node processes on free ports of this machine, its data in a folder that
// goes away with it. Kills, stops and restarts them; never judges them. The processes die with this
// object, and with the test however it ends (PR_SET_PDEATHSIG). Because that signal is tied to the
// thread that starts a process, one thread owns the object and outlives it.

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/link_proxy.h"

namespace coterie::tests {

// "127.0.0.1:PORT" of a port that nobody listens on now. Below the range that the kernel gives to
// outgoing connections (from 32768 on, ip(7)): one of those could take the port of a node that is
// down, and the node could not come back.
std::string FreeAddress();

class ClusterProcess {
 public:
  // What becomes of what a node wrote and did not sync when it is killed: see forgetful_disk.cc.
  enum class Disk : std::uint8_t {
    kOrdinary,   // It stays.
    kForgetful,  // It is gone, as after a power cut.
    kLying,      // And what it did sync, too.
  };
  struct Conditions {
    bool has_link_proxy = false;
    Disk disk = Disk::kOrdinary;
    std::vector<std::string> flags;  // More of them, for every node.
    std::string restore_from;        // What the founders begin with; empty = with nothing.
    std::uint64_t cluster_id = 1;
    // The founder that is told of no other one; 0 = none.
    std::uint64_t told_only_itself = 0;
  };
  // Starts `founders` nodes, 1 .. founders, and waits until each accepts connections. kUnavailable
  // with the end of a log if one does not come up.
  static absl::StatusOr<std::unique_ptr<ClusterProcess>> Start(std::size_t founders,
                                                               Conditions conditions);
  static absl::StatusOr<std::unique_ptr<ClusterProcess>> Start(std::size_t founders) {
    return Start(founders, Conditions());
  }
  ~ClusterProcess();
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;

  // Starts a process that belongs to no cluster yet and waits to be added; returns its id.
  absl::StatusOr<std::uint64_t> StartJoiner();

  void Kill(std::uint64_t id);             // SIGKILL, and waits for the end.
  void Stop(std::uint64_t id);             // SIGSTOP: frozen, its connections stay open.
  void Continue(std::uint64_t id);         // SIGCONT.
  absl::Status Restart(std::uint64_t id);  // After Kill or Terminate: same data, same ports.
  // SIGTERM; the exit status, or kDeadlineExceeded after 20 s.
  absl::StatusOr<int> Terminate(std::uint64_t id);
  // Of one that ends by itself and is expected to; as Terminate().
  absl::StatusOr<int> AwaitEnd(std::uint64_t id);

  // From now on, or no longer, every sync of the node's disk fails. Requires one that is forgetful.
  void BreakDisk(std::uint64_t id);
  void MendDisk(std::uint64_t id);

  // False for one that we ended, and for one that ended by itself: see Obituaries().
  bool IsRunning(std::uint64_t id);
  // Of every node that ended without being told: how, and its last lines. Empty = none did.
  std::string Obituaries();
  // The last lines that a node has logged.
  std::string LogTail(std::uint64_t id) const;

  std::vector<std::uint64_t> ids() const;
  std::string client_address(std::uint64_t id) const;
  std::string peer_address(std::uint64_t id) const;
  // Requires conditions with one.
  LinkProxy& links() { return *links_; }
  std::vector<std::string> client_addresses() const;
  pid_t process(std::uint64_t id) const;
  std::uint64_t ResidentBytes(std::uint64_t id) const;

 private:
  struct Node {
    std::string client_address;
    std::string peer_address;  // Where others find it,
    std::string peer_listen;   // and where it listens.
    std::string folder;
    bool is_founder = false;
    pid_t process = 0;  // 0 = not running.
  };

  ClusterProcess(std::string folder, Conditions conditions);
  void Add(std::uint64_t id, bool is_founder);
  absl::Status Launch(std::uint64_t id);
  absl::Status WaitForPort(std::uint64_t id);
  std::vector<std::string> CommandLine(std::uint64_t id) const;
  std::vector<std::string> Environment(std::uint64_t id) const;
  std::string PathOfBreak(std::uint64_t id) const;

  const std::string folder_;
  const Conditions conditions_;
  std::unique_ptr<LinkProxy> links_;
  std::map<std::uint64_t, Node> nodes_;
  std::string obituaries_;
};

}  // namespace coterie::tests
