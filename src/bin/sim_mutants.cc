#include "bin/sim_mutants.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>

#include "base/check.h"

namespace coterie::bin {
namespace {

using sim::Profile;

// No two ranges share a seed.
constexpr std::uint64_t kSeedsPerRange = 1'000'000;
// A healthy run takes well under a second of processor time.
constexpr unsigned kSecondsPerSeedMax = 10;

// One mutant over one range of seeds. Smaller than PIPE_BUF, so that it comes whole.
struct Job {
  std::size_t hunt = 0;
  std::uint64_t range = 0;
};
struct Finding {
  Job job;
  bool is_killed = false;
  std::uint64_t runs = 0;  // Up to the one that killed it, that one included.
  Profile profile = Profile::kDefault;
  std::uint64_t seed = 0;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    CHECK(pipe(ends.data()) == 0);
    out = ends[0];
    in = ends[1];
  }
  int out = -1;
  int in = -1;
};

class Board {
 public:
  Board(const Scoreboard& scoreboard, const std::vector<Hunt>& hunts);
  int Run();

 private:
  Finding Pursue(const Job& job) const;
  [[noreturn]] void Work(const Pipe& jobs, const Pipe& findings) const;
  void Note(const Finding& finding);
  void Print(std::size_t hunt);
  int Conclude() const;

  const Scoreboard scoreboard_;
  std::vector<Hunt> hunts_;
  std::map<std::size_t, std::vector<Finding>> findings_;  // By hunt.
  std::size_t next_printed_ = 0;
  std::vector<std::uint64_t> medians_;
  std::uint64_t runs_ = 0;
  int survivors_ = 0;
};

Board::Board(const Scoreboard& scoreboard, const std::vector<Hunt>& hunts)
    : scoreboard_(scoreboard) {
  for (Hunt hunt : hunts) {
    if (scoreboard.only != 0 && hunt.mutant != scoreboard.only) continue;
    if (!scoreboard.profiles.empty()) hunt.profiles = scoreboard.profiles;
    if (scoreboard.runs_max != 0) hunt.runs_max = scoreboard.runs_max;
    hunts_.push_back(std::move(hunt));
  }
}

Finding Board::Pursue(const Job& job) const {
  const Hunt& hunt = hunts_[job.hunt];
  const std::uint64_t seeds = (hunt.runs_max + hunt.profiles.size() - 1) / hunt.profiles.size();
  const std::uint64_t first = scoreboard_.first_seed + job.range * kSeedsPerRange;
  const Summary summary = RunCampaign({.profiles = hunt.profiles,
                                       .seeds = {.first = first, .last = first + seeds - 1},
                                       .processes = 1,
                                       .stop_after_failures = 1,
                                       .seconds_per_seed_max = kSecondsPerSeedMax,
                                       .mutant = hunt.mutant,
                                       .is_quiet = true});
  Finding finding{.job = job, .runs = summary.runs};
  if (!summary.failures.empty()) {
    finding.is_killed = true;
    ++finding.runs;
    finding.profile = summary.failures.front().profile;
    finding.seed = summary.failures.front().seed;
  }
  return finding;
}

void Board::Work(const Pipe& jobs, const Pipe& findings) const {
  close(jobs.in);
  close(findings.out);
  Job job;
  while (read(jobs.out, &job, sizeof(job)) == sizeof(job)) {
    const Finding finding = Pursue(job);
    CHECK(write(findings.in, &finding, sizeof(finding)) == sizeof(finding));
  }
  std::_Exit(0);
}

int Board::Run() {
  // The queue of the jobs is a pipe: whoever is idle takes the next. All of it fits into one.
  const Pipe jobs;
  const Pipe findings;
  static_cast<void>(std::fflush(nullptr));
  std::vector<pid_t> workers;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, scoreboard_.processes); ++i) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) Work(jobs, findings);
    workers.push_back(pid);
  }
  close(jobs.out);
  close(findings.in);
  for (std::size_t hunt = 0; hunt < hunts_.size(); ++hunt) {
    for (std::uint64_t range = 0; range < scoreboard_.ranges; ++range) {
      const Job job{.hunt = hunt, .range = range};
      CHECK(write(jobs.in, &job, sizeof(job)) == sizeof(job));
    }
  }
  close(jobs.in);
  Finding finding;
  while (read(findings.out, &finding, sizeof(finding)) == sizeof(finding)) Note(finding);
  close(findings.out);
  for (const pid_t pid : workers) {
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  return Conclude();
}

void Board::Note(const Finding& finding) {
  findings_[finding.job.hunt].push_back(finding);
  while (next_printed_ < hunts_.size() && findings_[next_printed_].size() == scoreboard_.ranges) {
    Print(next_printed_++);
  }
}

void Board::Print(std::size_t hunt) {
  std::vector<Finding>& findings = findings_[hunt];
  std::ranges::sort(findings, {}, [](const Finding& finding) { return finding.job.range; });
  std::vector<std::string> needed;
  std::vector<std::uint64_t> runs;
  const Finding* shown = nullptr;
  bool is_killed = true;
  for (const Finding& finding : findings) {
    runs_ += finding.runs;
    runs.push_back(finding.runs);
    needed.push_back(absl::StrCat(finding.is_killed ? "" : ">", finding.runs));
    is_killed = is_killed && finding.is_killed;
    if (finding.is_killed && (shown == nullptr || finding.runs < shown->runs)) shown = &finding;
  }
  const std::uint64_t median = MedianOf(runs);
  survivors_ += is_killed ? 0 : 1;
  if (is_killed) medians_.push_back(median);
  const int mutant = hunts_[hunt].mutant;
  absl::PrintF("mutant %2d  %s  runs needed: %4d  (%s)  %s\n", mutant,
               is_killed ? "killed  " : "SURVIVES", median, absl::StrJoin(needed, " "),
               shown == nullptr ? "" : ReplayCommand(shown->profile, shown->seed, {}, mutant));
  static_cast<void>(std::fflush(stdout));
}

int Board::Conclude() const {
  absl::PrintF("%d of %d killed in each of %d ranges of seeds", medians_.size(), hunts_.size(),
               scoreboard_.ranges);
  if (!medians_.empty()) {
    absl::PrintF("; runs needed: median %d, most %d", MedianOf(medians_),
                 *std::ranges::max_element(medians_));
  }
  absl::PrintF("; %d runs in all\n", runs_);
  const bool is_complete = medians_.size() == hunts_.size() && !hunts_.empty();
  return is_complete && survivors_ == 0 ? 0 : 1;
}

}  // namespace

// The weather is the one in which the fault was met soonest when each was tried; the bounds are
// several times what was needed then.
const std::vector<Hunt>& Hunts() {
  using enum Profile;
  static const std::vector<Hunt>* const hunts = new std::vector<Hunt>{
      {.mutant = 1, .profiles = {kElections}, .runs_max = 3'000},
      {.mutant = 2, .profiles = {kMembers}, .runs_max = 1'000},
      {.mutant = 3, .profiles = {kMembers}, .runs_max = 1'000},
      {.mutant = 4, .profiles = {kMembers}, .runs_max = 1'000},
      {.mutant = 5, .profiles = {kMembers}, .runs_max = 500},
      {.mutant = 6, .profiles = {kCompaction, kMembers}, .runs_max = 3'000},
      {.mutant = 7, .profiles = {kMembers}, .runs_max = 500},
      {.mutant = 8, .profiles = {kMembers}, .runs_max = 500},
      {.mutant = 9, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 10, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 11, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 12, .profiles = {kCompaction}, .runs_max = 1'000},
      {.mutant = 13, .profiles = {kSnapshots, kStorage}, .runs_max = 500},
      {.mutant = 14, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 15, .profiles = {kStorage}, .runs_max = 500},
      {.mutant = 16, .profiles = {kCompaction, kSnapshots}, .runs_max = 500},
      {.mutant = 17, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 18, .profiles = {kReads}, .runs_max = 500},
      {.mutant = 19, .profiles = {kReads}, .runs_max = 1'000},
      {.mutant = 20, .profiles = {kReads}, .runs_max = 500},
      {.mutant = 21, .profiles = {kReads}, .runs_max = 1'000},
      {.mutant = 22, .profiles = {kReads}, .runs_max = 1'000},
      {.mutant = 23, .profiles = {kReads}, .runs_max = 500},
      {.mutant = 24, .profiles = {kElections}, .runs_max = 500},
      {.mutant = 25, .profiles = {kElections, kOverload}, .runs_max = 500},
      {.mutant = 26, .profiles = {kCompaction}, .runs_max = 3'000},
      {.mutant = 27, .profiles = {kElections}, .runs_max = 500},
      {.mutant = 28, .profiles = {kMembers}, .runs_max = 1'000},
      {.mutant = 29, .profiles = {kElections}, .runs_max = 500},
      {.mutant = 30, .profiles = {kElections, kMembers}, .runs_max = 500},
      {.mutant = 31, .profiles = {kElections, kOverload}, .runs_max = 500},
      {.mutant = 32, .profiles = {kCompaction, kMembers}, .runs_max = 500},
      {.mutant = 33, .profiles = {kCompaction}, .runs_max = 500},
      {.mutant = 34, .profiles = {kElections}, .runs_max = 3'000},
      {.mutant = 35, .profiles = {kElections}, .runs_max = 500},
      {.mutant = 36, .profiles = {kElections}, .runs_max = 1'000},
      {.mutant = 37, .profiles = {kMembers}, .runs_max = 500},
      {.mutant = 38, .profiles = {kSnapshots}, .runs_max = 500},
  };
  return *hunts;
}

int RunScoreboard(const Scoreboard& scoreboard, const std::vector<Hunt>& hunts) {
  return Board(scoreboard, hunts).Run();
}

std::uint64_t MedianOf(std::vector<std::uint64_t> values) {
  CHECK(!values.empty());
  std::ranges::sort(values);
  return values[(values.size() - 1) / 2];
}

}  // namespace coterie::bin
