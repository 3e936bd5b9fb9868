#pragma once

// A cluster of real processes under a steady load and some subscribers, and at the end the record
// is judged: linearizable, nothing acknowledged lost or done twice, every event seen once and in
// order by every subscriber. What goes wrong meanwhile is the test's. These judges are not the
// simulator's (sim/history.h): those replay the log itself, which no client of real processes is
// shown. Owner: the test's thread.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/cluster_process.h"
#include "tests/event_watch.h"
#include "tests/linearizability.h"
#include "tests/workload.h"

namespace coterie::tests {

inline constexpr absl::Duration kSettled = absl::Seconds(20);  // Generous: to calm down.

class Story : public testing::Test {
 protected:
  // With a fatal failure if it does not come up.
  void Begin(std::size_t nodes, ClusterProcess::Conditions conditions);

  // 0 = none is known.
  std::uint64_t LeaderId();
  // A minority of nodes, the leader first or not at all.
  std::vector<std::uint64_t> Victims();
  void KillAndRestart(const std::vector<std::uint64_t>& victims, absl::Duration away);
  // Changes go on: so many more are acknowledged.
  void ExpectProgress(std::uint64_t changes);

  // All of the above, of what the load has done until it was stopped. `record`: from its Stop().
  void Judge(WorkloadRecord record);
  // Of what was acknowledged, the lines that are not in the journal.
  std::vector<std::string> LostLines(const WorkloadRecord& record);

  std::unique_ptr<ClusterProcess> cluster_;
  std::unique_ptr<Workload> load_;
  std::vector<std::unique_ptr<EventWatch>> watches_;
  const std::uint64_t seed_ = Seed();
  Prng prng_{seed_};

 private:
  static std::uint64_t Seed();
  void AddWatch(std::size_t number);
  std::string TextOf(std::uint64_t document);
  std::uint64_t AppendLastLine();
  void AddFinalReads(WorkloadRecord& record);
  void ExpectJournalComplete(const WorkloadRecord& record);
  void ExpectEventsAgree(const WorkloadRecord& record);
};

}  // namespace coterie::tests
