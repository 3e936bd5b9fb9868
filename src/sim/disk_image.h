#pragma once

// What a server's disk would hold after a power cut at this moment: read from the simulated disk
// itself, as recovery would. What has only grown since the last look is read on from there, so that
// every commit can be looked up; everything else, and one look of some, is read anew from the
// start. Owner: the ledger.

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "io/faulty_file.h"
#include "raft/configuration.h"
#include "raft/entry.h"

namespace coterie::sim {

// A server's disk, to look at.
struct Disk {
  NodeId id;
  Incarnation incarnation;
  const io::FaultyDirectory* files = nullptr;
};

std::uint64_t DigestOf(const raft::EntryRef& entry);

class DiskImage {
 public:
  enum class Thoroughness : std::uint8_t { kReadOn, kFromTheStart };
  // Brings the image up to what the disk holds now. An error: it could not be read at all.
  [[nodiscard]] absl::Status Look(const Disk& disk, Thoroughness thoroughness);

  const raft::HardState& hard_state() const { return hard_state_; }
  // The log begins behind it.
  Index snapshot() const { return snapshot_; }
  const raft::Configuration& snapshot_configuration() const { return snapshot_configuration_; }
  const std::map<Index, Term>& terms() const { return terms_; }
  // What its entries say of members, by their indexes.
  const std::map<Index, raft::Configuration>& members() const { return members_; }
  bool Holds(const raft::EntryRef& entry) const;

 private:
  absl::Status ReadAll(const Disk& disk);
  // False: something else than batches has come, and the image is not to be used.
  bool ReadOn(const Disk& disk);
  void Take(const raft::EntryRef& entry);

  Incarnation incarnation_;
  std::uint64_t operations_ = 0;
  bool is_read_ = false;
  raft::HardState hard_state_;
  Index snapshot_;
  raft::Configuration snapshot_configuration_;
  std::map<Index, Term> terms_;
  std::map<Index, std::uint64_t> digests_;
  std::map<Index, raft::Configuration> members_;
  // Up to where the newest segment has been read; a log goes on in a new one after every start.
  std::vector<std::string> names_;
  std::string segment_;
  std::uint64_t end_ = 0;
};

}  // namespace coterie::sim
