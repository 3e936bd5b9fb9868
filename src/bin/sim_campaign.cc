#include "bin/sim_campaign.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/mutant.h"
#include "sim/violation.h"

namespace coterie::bin {
namespace {

// What a worker tells its parent; smaller than PIPE_BUF, so whole.
struct Report {
  std::uint64_t task = 0;
  bool is_done = false;  // Else: begun.
  sim::Result result;
};

void OnFatalSignal(int signal) {
  sim::PrintReplayHint();
  static_cast<void>(std::signal(signal, SIG_DFL));
  static_cast<void>(std::raise(signal));
}

void ChooseMutant([[maybe_unused]] int mutant) {
#ifdef COTERIE_MUTANTS
  active_mutant = mutant;
#else
  CHECK(mutant == 0);
#endif
}

// SIGPROF after that. Not by the wall's clock: whatever else the machine does makes no run hang.
void LimitProcessorTime(unsigned seconds) {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = seconds}};
  CHECK(setitimer(ITIMER_PROF, &limit, nullptr) == 0);
}

void Silence() {
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  CHECK(null >= 0 && dup2(null, STDERR_FILENO) >= 0);
}

struct Worker {
  pid_t pid = 0;
  int pipe = -1;
  std::uint64_t current = 0;  // The task that it is at.
  std::string rest;           // Of a report that has not come whole.
};

class Farm {
 public:
  explicit Farm(const Campaign& campaign) : campaign_(campaign) {}
  Summary Run();

 private:
  std::uint64_t seeds() const { return campaign_.seeds.last - campaign_.seeds.first + 1; }
  std::uint64_t tasks() const { return seeds() * campaign_.profiles.size(); }
  sim::Profile ProfileOf(std::uint64_t task) const {
    return campaign_.profiles[task % campaign_.profiles.size()];
  }
  std::uint64_t SeedOf(std::uint64_t task) const {
    return campaign_.seeds.first + task / campaign_.profiles.size();
  }
  void Fork(std::uint64_t first_task);
  [[noreturn]] void Work(std::uint64_t first_task, int pipe);
  void Read(Worker& worker);
  void Bury(Worker& worker);
  void Count(const sim::Result& result);
  bool IsEnough() const;
  void StopAll();

  const Campaign& campaign_;
  std::vector<Worker> workers_;
  Summary summary_;
};

void Farm::Fork(std::uint64_t first_task) {
  if (first_task >= tasks()) return;
  std::array<int, 2> ends{};
  CHECK(pipe(ends.data()) == 0);
  static_cast<void>(std::fflush(nullptr));
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    close(ends[0]);
    for (const Worker& other : workers_) close(other.pipe);
    Work(first_task, ends[1]);
  }
  close(ends[1]);
  workers_.push_back({.pid = pid, .pipe = ends[0], .current = first_task});
}

// Every n-th task from its first on.
void Farm::Work(std::uint64_t first_task, int pipe) {
  if (campaign_.is_quiet) Silence();
  for (const int signal : {SIGABRT, SIGSEGV, SIGPROF, SIGFPE, SIGBUS}) {
    static_cast<void>(std::signal(signal, OnFatalSignal));
  }
  ChooseMutant(campaign_.mutant);
  for (std::uint64_t task = first_task; task < tasks(); task += campaign_.processes) {
    Report report{.task = task};
    CHECK(write(pipe, &report, sizeof(report)) == sizeof(report));
    sim::SetReplayHint(
        ReplayCommand(ProfileOf(task), SeedOf(task), campaign_.without, campaign_.mutant));
    LimitProcessorTime(campaign_.seconds_per_seed_max);
    report.result =
        sim::RunPlan(sim::DrawPlan(SeedOf(task), ProfileOf(task), campaign_.without), nullptr);
    report.is_done = true;
    CHECK(write(pipe, &report, sizeof(report)) == sizeof(report));
  }
  std::_Exit(0);
}

void Farm::Count(const sim::Result& result) {
  ++summary_.runs;
  sim::Result& total = summary_.total;
  total.trace_digest ^= result.trace_digest;
  total.events += result.events;
  total.simulated_us += result.simulated_us;
  total.commits += result.commits;
  total.leaders += result.leaders;
  total.crashes += result.crashes;
  for (std::size_t i = 0; i < sim::kDamageKinds; ++i) total.damages.at(i) += result.damages.at(i);
  total.complaints += result.complaints;
  total.halts += result.halts;
  total.upgrades += result.upgrades;
  total.news_done += result.news_done;
  total.news_refused += result.news_refused;
  total.calamities += result.calamities;
  total.updates += result.updates;
  total.reads += result.reads;
  total.events_told += result.events_told;
  summary_.recoveries_us.push_back(result.recovery_us);
}

void Farm::Read(Worker& worker) {
  std::array<char, 4096> bytes{};
  const ssize_t size = read(worker.pipe, bytes.data(), bytes.size());
  if (size <= 0) return Bury(worker);
  worker.rest.append(bytes.data(), static_cast<std::size_t>(size));
  while (worker.rest.size() >= sizeof(Report)) {
    Report report;
    std::copy_n(worker.rest.data(), sizeof(report), reinterpret_cast<char*>(&report));
    worker.rest.erase(0, sizeof(report));
    worker.current = report.task;
    if (report.is_done) Count(report.result);
  }
}

void Farm::Bury(Worker& worker) {
  int status = 0;
  CHECK(waitpid(worker.pid, &status, 0) == worker.pid);
  close(worker.pipe);
  const std::uint64_t task = worker.current;
  std::erase_if(workers_, [&worker](const Worker& other) { return other.pid == worker.pid; });
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  summary_.failures.push_back({.profile = ProfileOf(task),
                               .seed = SeedOf(task),
                               .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0});
  if (summary_.failures.size() < campaign_.stop_after_failures) {
    return Fork(task + campaign_.processes);
  }
  StopAll();
}

bool Farm::IsEnough() const {
  const sim::Result& total = summary_.total;
  const std::uint64_t damages =
      std::accumulate(total.damages.begin(), total.damages.end(), std::uint64_t{0});
  return (campaign_.damages_wanted > 0 && damages >= campaign_.damages_wanted) ||
         (campaign_.power_cuts_wanted > 0 && total.crashes >= campaign_.power_cuts_wanted);
}

void Farm::StopAll() {
  for (const Worker& worker : workers_) kill(worker.pid, SIGKILL);
  for (const Worker& worker : workers_) {
    waitpid(worker.pid, nullptr, 0);
    close(worker.pipe);
  }
  workers_.clear();
}

Summary Farm::Run() {
  const absl::Time start = absl::Now();
  for (std::size_t i = 0; i < campaign_.processes; ++i) Fork(i);
  while (!workers_.empty()) {
    std::vector<pollfd> polled;
    for (const Worker& worker : workers_) polled.push_back({.fd = worker.pipe, .events = POLLIN});
    if (poll(polled.data(), polled.size(), -1) <= 0) continue;
    for (const pollfd& ready : polled) {
      if (ready.revents == 0) continue;
      const auto worker = std::ranges::find(workers_, ready.fd, &Worker::pipe);
      if (worker != workers_.end()) Read(*worker);
    }
    if (IsEnough()) StopAll();
  }
  std::ranges::sort(summary_.recoveries_us);
  if (!summary_.recoveries_us.empty()) summary_.recovery_us_max = summary_.recoveries_us.back();
  summary_.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return std::move(summary_);
}

}  // namespace

std::string ReplayCommand(sim::Profile profile, std::uint64_t seed,
                          const std::set<sim::Fault>& without, int mutant) {
  std::string command = absl::StrCat("./dev sim --profile ", std::string(sim::NameOf(profile)),
                                     " --seed ", seed, " --trace");
  if (!without.empty()) {
    absl::StrAppend(&command, " --without ",
                    absl::StrJoin(without, ",", [](std::string* out, sim::Fault fault) {
                      out->append(sim::NameOf(fault));
                    }));
  }
  if (mutant != 0) absl::StrAppend(&command, " --mutant ", mutant);
  return command;
}

Summary RunCampaign(const Campaign& campaign) { return Farm(campaign).Run(); }

std::set<sim::Fault> Minimise(const Failure& failure, const Campaign& campaign) {
  std::set<sim::Fault> without = campaign.without;
  for (const sim::Fault fault :
       sim::DrawPlan(failure.seed, failure.profile, campaign.without).faults) {
    Campaign smaller = campaign;
    smaller.profiles = {failure.profile};
    smaller.seeds = {.first = failure.seed, .last = failure.seed};
    smaller.without = without;
    smaller.without.insert(fault);
    smaller.processes = 1;
    smaller.is_quiet = true;
    if (!RunCampaign(smaller).failures.empty()) without = smaller.without;
  }
  return without;
}

}  // namespace coterie::bin
