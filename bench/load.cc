// A closed loop of N clients on a running cluster: each has one call in flight and starts the next
// when the answer is there. Prints one JSON line a step. The same program drives etcd and Coterie.
//
//   load --target coterie --nodes 127.0.0.1:7001,127.0.0.1:7002 --clients 1,64 --pids 11,12

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/histogram.h"
#include "bench/target.h"
#include "bench/usage.h"

namespace coterie::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::string target;
  TargetOptions to;
  std::vector<std::size_t> clients = {1, 16, 64, 256, 1000};
  std::vector<std::string> works = {"write"};
  std::vector<pid_t> processes;
  double warm_up_seconds = 1;
  double seconds = 5;
  std::size_t threads = 2;
};

enum class Phase : int { kWarmUp, kMeasure, kEnd };

// One thread with its completion queue and its share of the clients.
class Worker {
 public:
  Worker(Work work, const std::atomic<Phase>& phase) : work_(work), phase_(phase) {}

  void Add(std::unique_ptr<Client> client) {
    loops_.push_back({.client = std::move(client), .started_at = {}});
  }

  void Run() {
    for (Loop& loop : loops_) Start(loop);
    void* tag = nullptr;
    bool ok = false;
    std::size_t open = loops_.size();
    while (open > 0 && queue_.Next(&tag, &ok)) {
      Loop& loop = *static_cast<Loop*>(tag);
      Count(loop);
      if (phase_.load(std::memory_order_relaxed) == Phase::kEnd || errors_ > kErrorsMax) {
        --open;
      } else {
        Start(loop);
      }
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const Histogram& latencies() const { return latencies_; }
  std::uint64_t errors() const { return errors_; }
  const std::string& last_error() const { return last_error_; }

 private:
  static constexpr std::uint64_t kErrorsMax = 10'000;  // Then the cluster is not worth asking.

  struct Loop {
    std::unique_ptr<Client> client;
    SteadyClock::time_point started_at;
  };

  void Start(Loop& loop) {
    loop.started_at = SteadyClock::now();
    loop.client->Start(work_, queue_, &loop);
  }

  void Count(const Loop& loop) {
    if (!loop.client->status().ok()) {
      ++errors_;
      last_error_ = loop.client->status().error_message();
    } else if (phase_.load(std::memory_order_relaxed) == Phase::kMeasure) {
      latencies_.Add(static_cast<std::uint64_t>(
          std::chrono::nanoseconds(SteadyClock::now() - loop.started_at).count()));
    }
  }

  const Work work_;
  const std::atomic<Phase>& phase_;
  grpc::CompletionQueue queue_;
  std::vector<Loop> loops_;
  Histogram latencies_;
  std::uint64_t errors_ = 0;
  std::string last_error_;
};

// Everything measured in one step.
struct Measured {
  double seconds = 0;
  Histogram latencies;
  std::uint64_t errors = 0;
  std::string last_error;
  Usage used;  // CPU and written bytes in the step; resident bytes at its end.
  double client_cpu_seconds = 0;
};

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// How long a load lasts: there is nothing to wait for but time.
void WaitSeconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// Lets the workers run while the phases pass; joins them.
void PassPhases(std::vector<std::unique_ptr<Worker>>& workers, std::atomic<Phase>& phase,
                const Options& options, Measured& measured) {
  std::vector<std::jthread> threads;
  threads.reserve(workers.size());
  for (const auto& worker : workers) threads.emplace_back([&worker] { worker->Run(); });

  WaitSeconds(options.warm_up_seconds);
  const Usage before = ReadUsage(options.processes);
  const double own_before = OwnCpuSeconds();
  const auto begun_at = SteadyClock::now();
  phase = Phase::kMeasure;
  WaitSeconds(options.seconds);
  phase = Phase::kEnd;
  measured.seconds = std::chrono::duration<double>(SteadyClock::now() - begun_at).count();
  measured.client_cpu_seconds = OwnCpuSeconds() - own_before;
  measured.used = ReadUsage(options.processes);
  measured.used.cpu_seconds -= before.cpu_seconds;
  measured.used.written_bytes -= before.written_bytes;
}

Measured RunStep(Target& target, const Options& options, Work work, std::size_t clients) {
  std::atomic<Phase> phase{Phase::kWarmUp};
  std::vector<std::unique_ptr<Worker>> workers;
  const std::size_t threads = std::min(options.threads, clients);
  for (std::size_t i = 0; i < threads; ++i) {
    workers.push_back(std::make_unique<Worker>(work, phase));
  }
  for (std::size_t i = 0; i < clients; ++i) {
    workers[i % threads]->Add(target.MakeClient(i, i % threads));
  }

  Measured measured;
  PassPhases(workers, phase, options, measured);
  for (const auto& worker : workers) {
    measured.latencies.Merge(worker->latencies());
    measured.errors += worker->errors();
    if (!worker->last_error().empty()) measured.last_error = worker->last_error();
  }
  return measured;
}

nlohmann::ordered_json ToJson(const Options& options, const std::string& work, std::size_t clients,
                              const Measured& measured) {
  const Histogram& latencies = measured.latencies;
  const auto count = static_cast<double>(std::max<std::uint64_t>(latencies.count(), 1));
  const auto micro = [](std::uint64_t nanoseconds) { return nanoseconds / 1000; };
  nlohmann::ordered_json line;
  line["target"] = options.target;
  line["work"] = work;
  line["clients"] = clients;
  line["value_bytes"] = options.to.value_bytes;
  line["seconds"] = measured.seconds;
  line["calls_per_s"] = static_cast<double>(latencies.count()) / measured.seconds;
  line["p50_us"] = micro(latencies.Quantile(500));
  line["p99_us"] = micro(latencies.Quantile(990));
  line["max_us"] = micro(latencies.max());
  line["errors"] = measured.errors;
  if (measured.errors > 0) line["last_error"] = measured.last_error;
  line["server_cpu_us_per_call"] = measured.used.cpu_seconds * 1e6 / count;
  line["client_cpu_us_per_call"] = measured.client_cpu_seconds * 1e6 / count;
  line["server_rss_mib"] = static_cast<double>(measured.used.resident_bytes) / (1 << 20);
  line["server_written_bytes_per_call"] = static_cast<double>(measured.used.written_bytes) / count;
  return line;
}

int RunAll(const Options& options) {
  const std::unique_ptr<Target> target =
      options.target == "etcd" ? MakeEtcdTarget(options.to) : MakeCoterieTarget(options.to);
  int result = 0;
  for (const std::string& work : options.works) {
    for (const std::size_t clients : options.clients) {
      if (const grpc::Status status = target->Prepare(clients); !status.ok()) {
        std::cerr << "load: " << options.target << " cannot be prepared: " << status.error_message()
                  << " (code " << status.error_code() << ")\n";
        return 1;
      }
      const Measured measured =
          RunStep(*target, options, work == "write" ? Work::kWrite : Work::kRead, clients);
      std::cout << ToJson(options, work, clients, measured).dump() << std::endl;
      if (measured.latencies.count() == 0) result = 1;
    }
  }
  return result;
}

}  // namespace
}  // namespace coterie::bench

int main(int argc, char** argv) {
  coterie::bench::Options options;
  CLI::App app("Puts a closed-loop load on a cluster and prints JSON lines.");
  app.add_option("--target", options.target, "etcd or coterie")
      ->required()
      ->check(CLI::IsMember({"etcd", "coterie"}));
  app.add_option("--nodes", options.to.nodes, "HOST:PORT, several")->required()->delimiter(',');
  app.add_option("--clients", options.clients, "How many at once; a step for each")->delimiter(',');
  app.add_option("--work", options.works, "write, read; in this order")
      ->delimiter(',')
      ->check(CLI::IsMember({"write", "read"}));
  app.add_option("--pids", options.processes, "The servers' processes, to read their use")
      ->delimiter(',');
  app.add_option("--seconds", options.seconds, "Measured, of each step");
  app.add_option("--warm-up", options.warm_up_seconds, "Seconds before, not measured");
  app.add_option("--threads", options.threads, "Of this program")->check(CLI::Range(1, 64));
  app.add_option("--channels", options.to.channels, "Connections")->check(CLI::Range(1, 256));
  app.add_option("--value-bytes", options.to.value_bytes, "Of each write")
      ->check(CLI::Range(1, 1 << 20));
  bool is_spread = false;
  app.add_flag("--spread", is_spread, "Over all nodes; else all calls go to the leader");
  CLI11_PARSE(app, argc, argv);
  options.to.only_leader = !is_spread;
  return coterie::bench::RunAll(options);
}
