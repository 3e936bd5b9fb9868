// Plays seeded scenarios (scenario.h) on our engine and on the real Yjs (oracle.mjs) and compares
// every update event, what observers are told, every encoded state and every view. The first
// difference is made small and printed with the command that plays it again; exit status 1.
//
//   coterie-yjs-fuzz --seed 1 --updates 1000000      from seed 1 on, until so many were exchanged
//   coterie-yjs-fuzz --replay scenario.json          one scenario, as a difference printed it
//   coterie-yjs-fuzz --against yjs ...               Yjs beside itself: what the harness costs

#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "tests/yjs/engine_world.h"
#include "tests/yjs/minimise.h"
#include "tests/yjs/oracle_process.h"
#include "tests/yjs/scenario.h"

namespace coterie::tests {
namespace {

struct Options {
  std::string folder = COTERIE_YJS_FOLDER;
  std::string against = "engine";
  std::string replay;
  std::uint64_t seed = 1;
  std::uint64_t scenarios = 0;
  std::uint64_t updates = 1000;
  std::size_t commands = 60;
  std::string subject;
  bool has_object_attributes = false;
};

const std::map<std::string, Subject>& Subjects() {
  static const auto* const kSubjects =
      new std::map<std::string, Subject>{{"text", Subject::kText},
                                         {"rich-text", Subject::kRichText},
                                         {"array", Subject::kArray},
                                         {"map", Subject::kMap},
                                         {"xml", Subject::kXml},
                                         {"front", Subject::kFront},
                                         {"everything", Subject::kEverything}};
  return *kSubjects;
}

struct Difference {
  std::size_t command = 0;
  std::string ours;
  std::string theirs;
};

// For the handler below, which may not allocate.
std::array<char, 64> current_seed{};  // NOLINT: a signal handler sees only globals.

void TellSeed(int) {
  constexpr std::string_view kWords = "\nthe engine stopped in the scenario of --seed ";
  (void)!write(STDERR_FILENO, kWords.data(), kWords.size());
  (void)!write(STDERR_FILENO, current_seed.data(), std::strlen(current_seed.data()));
  (void)!write(STDERR_FILENO, "\n", 1);
  std::signal(SIGABRT, SIG_DFL);
}

Json PerformHere(const Scenario& scenario) {
  EngineWorld world;
  Json answers = Json::array();
  for (const Json& command : scenario.commands) answers.push_back(world.Perform(command));
  world.CheckInvariants();
  return answers;
}

// In a process of its own, so that an engine that stops is an answer too.
Json PerformApart(const Scenario& scenario) {
  std::array<int, 2> ends{};
  CHECK(pipe(ends.data()) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    (void)!std::freopen("/dev/null", "w", stderr);
    const std::string answers = PerformHere(scenario).dump();
    for (std::size_t sent = 0; sent < answers.size();) {
      const ssize_t wrote = write(ends[1], answers.data() + sent, answers.size() - sent);
      if (wrote <= 0) _exit(1);
      sent += static_cast<std::size_t>(wrote);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string answers;
  std::array<char, 1 << 16> buffer;
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    answers.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? Json::parse(answers) : Json("the engine stopped");
}

std::optional<Difference> Compare(const Scenario& scenario, const Json& ours, const Json& theirs) {
  if (ours.is_string()) return Difference{scenario.commands.size(), ours, "went on"};
  CHECK(theirs.size() == scenario.commands.size());
  CHECK(ours.size() == scenario.commands.size());
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const Json plain = Plain(theirs[i]);
    if (Plain(ours[i]) != plain) return Difference{i, Plain(ours[i]).dump(), plain.dump()};
  }
  return std::nullopt;
}

// How many events observers were told of.
std::uint64_t CountTold(const Scenario& scenario, const Json& answers) {
  std::uint64_t told = 0;
  for (std::size_t i = 0; i < scenario.commands.size(); ++i) {
    if (scenario.commands[i].at(0) != "events") continue;
    for (const Json& transaction : answers.at(i)) {
      for (const Json& events : transaction) told += events.size();
    }
  }
  return told;
}

class Fuzzer {
 public:
  explicit Fuzzer(const Options& options) : options_(options), oracle_(options.folder) {
    if (options.against == "yjs") second_ = std::make_unique<OracleProcess>(options.folder);
  }

  // The oracle works on the next scenario while the engine works on this one.
  int Run() {
    Scenario scenario = Draw(options_.seed);
    oracle_.Send(scenario.ToRequest());
    for (std::uint64_t seed = options_.seed; !IsDone(seed); ++seed) {
      const Scenario next = Draw(seed + 1);
      oracle_.Send(next.ToRequest());
      std::snprintf(current_seed.data(), current_seed.size(), "%llu",
                    static_cast<unsigned long long>(seed));
      const Json ours = OurAnswers(scenario);
      const auto difference = Compare(scenario, ours, Json::parse(oracle_.Receive()));
      if (difference.has_value()) {
        oracle_.Receive();
        return Tell(scenario, *difference, seed);
      }
      exchanged_ += CountExchanged(scenario);
      told_ += CountTold(scenario, ours);
      ++played_;
      scenario = next;
    }
    std::printf(
        "%llu scenarios, %llu updates exchanged, %llu events told: no difference; seeds %llu to "
        "%llu\n",
        static_cast<unsigned long long>(played_), static_cast<unsigned long long>(exchanged_),
        static_cast<unsigned long long>(told_), static_cast<unsigned long long>(options_.seed),
        static_cast<unsigned long long>(options_.seed + played_ - 1));
    return 0;
  }

  int Replay() {
    std::ifstream file(options_.replay);
    Scenario scenario{.commands = Json::parse(file)};
    const auto difference = Try(scenario);
    if (!difference.has_value()) {
      std::printf("no difference\n");
      return 0;
    }
    return Tell(scenario, *difference, std::nullopt);
  }

 private:
  Scenario Draw(std::uint64_t seed) const {
    ScenarioLimits limits{.commands = options_.commands,
                          .subject = std::nullopt,
                          .has_object_attributes = options_.has_object_attributes};
    if (!options_.subject.empty()) limits.subject = Subjects().at(options_.subject);
    return DrawScenario(seed, limits);
  }

  bool IsDone(std::uint64_t seed) const {
    if (options_.scenarios > 0) return seed >= options_.seed + options_.scenarios;
    return exchanged_ >= options_.updates;
  }

  Json OurAnswers(const Scenario& scenario) {
    if (second_ == nullptr) return PerformHere(scenario);
    second_->Send(scenario.ToRequest());
    return Json::parse(second_->Receive());
  }

  std::optional<Difference> Try(const Scenario& scenario) {
    oracle_.Send(scenario.ToRequest());
    const Json ours = second_ == nullptr ? PerformApart(scenario) : OurAnswers(scenario);
    return Compare(scenario, ours, Json::parse(oracle_.Receive()));
  }

  int Tell(const Scenario& scenario, const Difference& first, std::optional<std::uint64_t> seed) {
    std::fprintf(stderr, "a difference; making it smaller\n");
    const bool fails = Try(scenario).has_value();
    const Scenario small =
        fails ? Minimise(scenario, [&](const Scenario& part) { return Try(part).has_value(); })
              : scenario;
    const Difference difference = fails ? Try(small).value() : first;
    std::printf("%s\n", fails ? "It fails with:" : "It did not fail again. The whole of it:");
    std::printf("[");
    for (std::size_t i = 0; i < small.commands.size(); ++i) {
      std::printf("%s%s", i == 0 ? "" : ",\n ", small.commands[i].dump().c_str());
    }
    std::printf("]\nat command %zu of these (the first is 0)\nours   %s\ntheirs %s\n",
                difference.command, difference.ours.c_str(), difference.theirs.c_str());
    if (seed.has_value()) {
      std::printf("again: coterie-yjs-fuzz --seed %llu --scenarios 1 --commands %zu%s%s%s\n",
                  static_cast<unsigned long long>(*seed), options_.commands,
                  options_.has_object_attributes ? " --object-attributes" : "",
                  options_.subject.empty() ? "" : " --subject ", options_.subject.c_str());
    }
    return 1;
  }

  Options options_;
  OracleProcess oracle_;
  std::unique_ptr<OracleProcess> second_;
  std::uint64_t exchanged_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t played_ = 0;
};

}  // namespace

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Our document engine beside the real Yjs, on seeded scenarios");
  app.add_option("--seed", options.seed, "The first scenario's seed");
  app.add_option("--updates", options.updates, "Stop after so many exchanged updates");
  app.add_option("--scenarios", options.scenarios, "Or after so many scenarios");
  app.add_option("--commands", options.commands, "Edits and exchanges of one scenario, at most");
  app.add_option("--subject", options.subject, "What is edited, mostly; else drawn")
      ->check(CLI::IsMember({"text", "rich-text", "array", "map", "xml", "front", "everything"}));
  app.add_option("--replay", options.replay, "A file with one scenario");
  app.add_flag("--object-attributes", options.has_object_attributes,
               "Also attributes with objects as values, which Yjs compares by identity");
  app.add_option("--against", options.against, "What Yjs is compared with")
      ->check(CLI::IsMember({"engine", "yjs"}));
  app.add_option("--folder", options.folder, "Where oracle.mjs and its node_modules are");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGABRT, TellSeed);
  Fuzzer fuzzer(options);
  return options.replay.empty() ? fuzzer.Run() : fuzzer.Replay();
}

}  // namespace coterie::tests

int main(int argc, char** argv) { return coterie::tests::Main(argc, argv); }
