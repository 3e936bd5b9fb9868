// Editors by the hundred on one server, ours or another that speaks y-websocket or Hocuspocus, and
// what became of them as one JSON line.
//   load    rooms of editors that type: latencies, rates and what the server used for it
//   idle    what open sockets that say nothing cost in memory
//   join    many open one large document at once
//   check   which letters that a ledger of `load` says were seen are not there (any more)

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/prng.h"
#include "bench/histogram.h"
#include "bench/realtime/room.h"
#include "bench/usage.h"
#include "crdt/state_vector.h"

namespace coterie::bench {
namespace {

using nlohmann::json;

struct Options {
  std::string work = "load";
  std::string server;  // What to call it.
  std::string protocol = "y-websocket";
  std::vector<std::uint16_t> ports;
  std::string path = "/";        // Before the document's name, on y-websocket.
  std::string query;             // Behind it, with its "?".
  std::string tokens;            // A file; each editor takes the next one.
  std::string prefix = "bench";  // Of the documents' names.
  std::vector<pid_t> processes;
  std::size_t rooms = 100;
  std::size_t editors = 10;  // In each room.
  std::size_t writers = 0;   // Of them; 0 = all.
  double rate = 1'000;       // Letters a second in all; 0 = as fast as they are seen.
  std::size_t window = 1;    // Letters of a writer that nobody has seen yet, without a rate.
  double warm_up_seconds = 1;
  double seconds = 5;
  double settle_seconds = 2;  // Before memory is read.
  std::string document;       // A file: an update with the whole of it.
  std::string ledger;         // A file.
};

constexpr std::uint64_t kWaitNs = 10'000'000;

[[noreturn]] void Die(const std::string& message) {
  std::cerr << "realtime_load: " << message << "\n";
  std::exit(1);
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t Nanoseconds(double seconds) { return static_cast<std::uint64_t>(seconds * 1e9); }
double Milliseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

// All rooms with their editors, connected.
class Town {
 public:
  Town(const Options& options, Room::OnDelivery on_delivery)
      : options_(options), on_delivery_(std::move(on_delivery)) {
    std::ifstream file(options.tokens);
    for (std::string token; file >> token;) tokens_.push_back(token);
  }

  void Build(std::size_t rooms, std::size_t editors, const std::string& prefix) {
    for (std::size_t i = 0; i < rooms; ++i) {
      const std::uint64_t first_client = 1'000'000 + i * 10'000;
      rooms_.push_back(
          std::make_unique<Room>(prefix + std::to_string(i), first_client, on_delivery_));
      for (std::size_t k = 0; k < editors; ++k) {
        rooms_.back()->Add(epoll_, ToConnect(rooms_.back()->name(), k));
      }
    }
  }

  Editor::Options ToConnect(const std::string& document, std::size_t number) {
    const bool is_hocuspocus = options_.protocol == "hocuspocus";
    // No address has more sockets than a node takes from one.
    const auto source = static_cast<std::uint32_t>(0x7f00'0002 + next_ % 200);
    const std::string token = tokens_.empty() ? std::string() : tokens_[next_ % tokens_.size()];
    ++next_;
    return {.protocol = is_hocuspocus ? Protocol::kHocuspocus : Protocol::kYWebsocket,
            .host = "127.0.0.1",
            .port = options_.ports[number % options_.ports.size()],
            .source = source,
            .target = options_.path + (is_hocuspocus ? "" : document) + options_.query +
                      (is_hocuspocus ? "" : token),
            .document = document,
            .token = token.empty() ? "none" : token};
  }

  // So many on their way at once, so that no listen queue overflows.
  void ConnectAll(std::size_t at_once = 64) {
    std::vector<Editor*> waiting;
    for (const std::unique_ptr<Room>& room : rooms_) {
      for (const std::unique_ptr<Editor>& editor : room->editors()) waiting.push_back(editor.get());
    }
    std::reverse(waiting.begin(), waiting.end());
    std::vector<Editor*> open;
    const std::uint64_t deadline = NowNanoseconds() + Nanoseconds(120);
    while (!waiting.empty() || !open.empty()) {
      while (!waiting.empty() && open.size() < at_once) {
        waiting.back()->Connect();
        open.push_back(waiting.back());
        waiting.pop_back();
      }
      epoll_.Run(kWaitNs);
      std::erase_if(open, [](const Editor* editor) {
        if (editor->state() == Editor::State::kClosed) Die("a socket was closed while it opened");
        return editor->state() == Editor::State::kSynced;
      });
      if (NowNanoseconds() > deadline) Die("not everybody could connect within 120 s");
    }
  }

  void RunFor(double seconds) {
    const std::uint64_t end = NowNanoseconds() + Nanoseconds(seconds);
    while (NowNanoseconds() < end) epoll_.Run(kWaitNs);
  }

  std::size_t CountClosed() const {
    std::size_t closed = 0;
    for (const std::unique_ptr<Room>& room : rooms_) {
      for (const std::unique_ptr<Editor>& editor : room->editors()) {
        if (editor->state() == Editor::State::kClosed) ++closed;
      }
    }
    return closed;
  }

  Epoll& epoll() { return epoll_; }
  std::vector<std::unique_ptr<Room>>& rooms() { return rooms_; }

 private:
  const Options& options_;
  const Room::OnDelivery on_delivery_;
  Epoll epoll_;
  std::vector<std::unique_ptr<Room>> rooms_;
  std::vector<std::string> tokens_;
  std::size_t next_ = 0;
};

json LineOf(const Options& options) {
  return {{"work", options.work},
          {"server", options.server},
          {"protocol", options.protocol},
          {"rooms", options.rooms},
          {"editors", options.editors}};
}

// --- load ---

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), town_(options, [this](Room& room, const Room::Delivery& delivery) {
          OnDelivery(room, delivery);
        }) {}

  json Run() {
    town_.Build(options_.rooms, options_.editors, options_.prefix);
    town_.ConnectAll();
    WriteLedger();  // Says that all are connected.
    for (const std::unique_ptr<Room>& room : town_.rooms()) {
      for (std::size_t i = 0; i < Writers(); ++i) writers_.push_back({room.get(), i});
    }
    Shuffle();
    const std::uint64_t started = NowNanoseconds();
    begin_ns_ = started + Nanoseconds(options_.warm_up_seconds);
    end_ns_ = begin_ns_ + Nanoseconds(options_.seconds);
    due_ns_ = started;
    if (options_.rate == 0) Fill(started);
    RunUntil(begin_ns_);
    const Usage before = ReadUsage(options_.processes);
    const double own_before = OwnCpuSeconds();
    RunUntil(end_ns_);
    const Usage after = ReadUsage(options_.processes);
    const double own = OwnCpuSeconds() - own_before;
    is_over_ = true;
    RunUntil(NowNanoseconds() + Nanoseconds(1));  // For what is on its way.
    WriteLedger();
    return ToJson(before, after, own);
  }

 private:
  struct Writer {
    Room* room = nullptr;
    std::size_t number = 0;
  };
  std::size_t Writers() const {
    return options_.writers == 0 ? options_.editors : std::min(options_.writers, options_.editors);
  }

  // Nobody waits for the neighbour to type.
  void Shuffle() {
    Prng random(1);
    for (std::size_t i = writers_.size(); i > 1; --i) {
      std::swap(writers_[i - 1], writers_[random.Below(i)]);
    }
  }

  void Fill(std::uint64_t now) {
    for (std::size_t i = 0; i < options_.window; ++i) {
      for (const Writer& writer : writers_) Type(writer, now);
    }
  }

  void Type(const Writer& writer, std::uint64_t due_ns) {
    if (due_ns >= begin_ns_ && due_ns < end_ns_) ++typed_;
    writer.room->Type(writer.number, due_ns);
  }

  void RunUntil(std::uint64_t end) {
    std::uint64_t now = NowNanoseconds();
    while (now < end) {
      if (options_.rate > 0 && !is_over_) {
        const auto step = static_cast<std::uint64_t>(1e9 / options_.rate);
        for (; due_ns_ <= now; due_ns_ += step) {
          Type(writers_[next_++ % writers_.size()], due_ns_);
        }
      }
      const bool is_due_soon = options_.rate > 0 && !is_over_;
      const std::uint64_t next = is_due_soon ? std::min(due_ns_, end) : end;
      now = NowNanoseconds();
      town_.epoll().Run(next > now ? std::min(next - now, kWaitNs) : 0);
      now = NowNanoseconds();
    }
  }

  void OnDelivery(Room& room, const Room::Delivery& delivery) {
    const std::uint64_t now = NowNanoseconds();
    if (now >= begin_ns_ && now < end_ns_) ++delivered_;
    if (delivery.sent_ns >= begin_ns_ && delivery.sent_ns < end_ns_) {
      latencies_.Add(now - std::min(now, delivery.sent_ns));
    }
    const bool is_its_turn = delivery.reader == (delivery.writer + 1) % room.editors().size();
    if (options_.rate == 0 && is_its_turn && !is_over_) Type({&room, delivery.writer}, now);
  }

  // What was seen: document, client, how many letters.
  void WriteLedger() const {
    if (options_.ledger.empty()) return;
    std::ofstream file(options_.ledger);
    for (const Writer& writer : writers_) {
      const Room& room = *writer.room;
      file << room.name() << " " << room.first_client() + writer.number << " "
           << room.seen(writer.number) << "\n";
    }
  }

  json ToJson(const Usage& before, const Usage& after, double own) const {
    const double cpu = after.cpu_seconds - before.cpu_seconds;
    const auto delivered = static_cast<double>(delivered_);
    json line = LineOf(options_);
    line["writers"] = Writers();
    line["rate"] = options_.rate;
    line["updates_per_s"] = static_cast<double>(typed_) / options_.seconds;
    line["deliveries_per_s"] = delivered / options_.seconds;
    line["p50_ms"] = Milliseconds(latencies_.Quantile(500));
    line["p99_ms"] = Milliseconds(latencies_.Quantile(990));
    line["max_ms"] = Milliseconds(latencies_.max());
    line["cpu_ms_per_1000"] = cpu * 1e6 / std::max(delivered, 1.0);
    line["deliveries_per_cpu_s"] = delivered / std::max(cpu, 1e-9);
    line["cpu_share"] = cpu / options_.seconds;
    line["own_cpu_share"] = own / options_.seconds;
    line["memory_mib"] = static_cast<double>(after.resident_bytes) / (1 << 20);
    line["closed"] = town_.CountClosed();
    return line;
  }

  const Options& options_;
  Town town_;
  std::vector<Writer> writers_;
  std::size_t next_ = 0;
  std::uint64_t begin_ns_ = 0;
  std::uint64_t end_ns_ = 0;
  std::uint64_t due_ns_ = 0;
  bool is_over_ = false;
  std::uint64_t typed_ = 0;
  std::uint64_t delivered_ = 0;
  Histogram latencies_;
};

// --- idle ---

json RunIdle(const Options& options) {
  Town town(options, [](Room&, const Room::Delivery&) {});
  // What the first few need is the server's, not theirs.
  town.Build(1, 10, options.prefix + "-first-");
  town.ConnectAll();
  town.RunFor(options.settle_seconds);
  const Usage before = ReadUsage(options.processes);
  Town idle(options, [](Room&, const Room::Delivery&) {});
  idle.Build(options.rooms, options.editors, options.prefix);
  idle.ConnectAll();
  idle.RunFor(options.settle_seconds);
  const Usage after = ReadUsage(options.processes);
  const std::size_t sockets = options.rooms * options.editors;
  const double bytes =
      static_cast<double>(after.resident_bytes) - static_cast<double>(before.resident_bytes);
  json line = LineOf(options);
  line["sockets"] = sockets;
  line["memory_mib"] = static_cast<double>(after.resident_bytes) / (1 << 20);
  line["kb_per_socket"] = bytes / 1e3 / static_cast<double>(sockets);
  line["closed"] = idle.CountClosed();
  return line;
}

// --- join ---

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Die("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The clocks in an update. Joiners are sent the same one after the other.
class Reader {
 public:
  const std::vector<crdt::UpdateView::Group>& Read(std::string_view update) {
    if (update != last_) {
      crdt::UpdateView view;
      if (crdt::UpdateView::Open(update, view)) Die("a server sent a malformed update");
      last_ = update;
      groups_ = view.groups();
    }
    return groups_;
  }

 private:
  std::string last_ = {'\0', '\0'};
  std::vector<crdt::UpdateView::Group> groups_;
};

// Opens one document and notes what it has.
class Joiner {
 public:
  Joiner(Epoll& epoll, Editor::Options options, Reader& updates)
      : editor_(epoll, std::move(options), 0, [this, &updates](Editor&, std::string_view update) {
          for (const crdt::UpdateView::Group& group : updates.Read(update)) {
            if (group.begin <= known_.At(group.client)) known_.Raise(group.client, group.gap);
          }
        }) {}

  Editor& editor() { return editor_; }
  const crdt::StateVector& known() const { return known_; }
  bool IsReady(const crdt::StateVector& wanted) const {
    return editor_.state() == Editor::State::kSynced && known_.Covers(wanted);
  }

 private:
  crdt::StateVector known_;
  Editor editor_;
};

void Await(Town& town, const std::string& what, const std::function<bool()>& condition) {
  const std::uint64_t deadline = NowNanoseconds() + Nanoseconds(60);
  while (!condition()) {
    town.epoll().Run(kWaitNs);
    if (NowNanoseconds() > deadline) Die("not within 60 s: " + what);
  }
}

void Seed(Town& town, const std::string& name, const std::string& update,
          const crdt::StateVector& wanted) {
  Reader updates;
  Joiner author(town.epoll(), town.ToConnect(name, 0), updates);
  author.editor().Connect();
  Await(town, "the author is there",
        [&] { return author.editor().state() == Editor::State::kSynced; });
  author.editor().SendUpdate(update);
  const std::uint64_t deadline = NowNanoseconds() + Nanoseconds(60);
  for (bool is_there = false; !is_there && NowNanoseconds() < deadline;) {
    Joiner reader(town.epoll(), town.ToConnect(name, 0), updates);
    reader.editor().Connect();
    town.RunFor(0.5);
    is_there = reader.IsReady(wanted);
  }
}

json RunJoin(const Options& options) {
  const std::string update = ReadFile(options.document);
  crdt::UpdateView view;
  if (crdt::UpdateView::Open(update, view)) Die("that is no update: " + options.document);
  const crdt::StateVector wanted = view.state_vector();
  Town town(options, [](Room&, const Room::Delivery&) {});
  const std::string name = options.prefix + "-large";
  Seed(town, name, update, wanted);
  Reader updates;
  std::vector<std::unique_ptr<Joiner>> joiners;
  for (std::size_t i = 0; i < options.editors; ++i) {
    joiners.push_back(std::make_unique<Joiner>(town.epoll(), town.ToConnect(name, i), updates));
  }
  Histogram times;
  const Usage before = ReadUsage(options.processes);
  const std::uint64_t begin = NowNanoseconds();
  for (const std::unique_ptr<Joiner>& joiner : joiners) joiner->editor().Connect();
  std::vector<bool> is_done(joiners.size());
  Await(town, "everybody has the document", [&] {
    for (std::size_t i = 0; i < joiners.size(); ++i) {
      if (is_done[i] || !joiners[i]->IsReady(wanted)) continue;
      is_done[i] = true;
      times.Add(NowNanoseconds() - begin);
    }
    return times.count() == joiners.size();
  });
  const Usage after = ReadUsage(options.processes);
  json line = LineOf(options);
  line["bytes"] = update.size();
  line["p50_ms"] = Milliseconds(times.Quantile(500));
  line["last_ms"] = Milliseconds(times.max());
  line["cpu_ms"] = (after.cpu_seconds - before.cpu_seconds) * 1e3;
  return line;
}

// --- check ---

json RunCheck(const Options& options) {
  struct Seen {
    std::string document;
    std::uint64_t client = 0;
    crdt::Clock letters = 0;
  };
  std::vector<Seen> all;
  std::ifstream file(options.ledger);
  for (Seen seen; file >> seen.document >> seen.client >> seen.letters;) all.push_back(seen);
  if (all.empty()) Die("an empty ledger: " + options.ledger);
  Town town(options, [](Room&, const Room::Delivery&) {});
  std::uint64_t letters = 0;
  std::uint64_t lost = 0;
  std::uint64_t documents = 0;
  Reader updates;
  std::unique_ptr<Joiner> reader;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Seen& seen = all[i];
    if (i == 0 || seen.document != all[i - 1].document) {
      reader = std::make_unique<Joiner>(town.epoll(), town.ToConnect(seen.document, documents++),
                                        updates);
      reader->editor().Connect();
      Await(town, "a reader is there",
            [&] { return reader->editor().state() == Editor::State::kSynced; });
      town.RunFor(0.02);  // What follows the answer.
    }
    letters += seen.letters;
    const crdt::Clock known = reader->known().At(crdt::Client(seen.client));
    lost += seen.letters - std::min(seen.letters, known);
  }
  json line = LineOf(options);
  line["documents"] = documents;
  line["seen"] = letters;
  line["lost"] = lost;
  return line;
}

json Run(const Options& options) {
  if (options.work == "idle") return RunIdle(options);
  if (options.work == "join") return RunJoin(options);
  if (options.work == "check") return RunCheck(options);
  return Load(options).Run();
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--work", options.work, "load, idle, join, check")
      ->check(CLI::IsMember({"load", "idle", "join", "check"}));
  app.add_option("--server", options.server, "What to call it in the line");
  app.add_option("--protocol", options.protocol, "y-websocket, hocuspocus")
      ->check(CLI::IsMember({"y-websocket", "hocuspocus"}));
  app.add_option("--ports", options.ports,
                 "Of its nodes; the editors of a room are spread over them")
      ->required()
      ->delimiter(',');
  app.add_option("--path", options.path, "Of the socket; on y-websocket the name follows");
  app.add_option("--query", options.query, "What follows the path, with its '?'");
  app.add_option("--tokens", options.tokens,
                 "A file of tokens; each editor takes the next, on y-websocket behind the query");
  app.add_option("--prefix", options.prefix, "Of the documents' names");
  app.add_option("--pids", options.processes, "The server's processes, to read their use")
      ->delimiter(',');
  app.add_option("--rooms", options.rooms, "Documents");
  app.add_option("--editors", options.editors, "In each room");
  app.add_option("--writers", options.writers, "How many of them type; 0 = all");
  app.add_option("--rate", options.rate, "Letters a second; 0 = as fast as others see them");
  app.add_option("--window", options.window, "Letters of a writer on their way, without a rate");
  app.add_option("--warm-up", options.warm_up_seconds, "Seconds before, not measured");
  app.add_option("--seconds", options.seconds, "Measured");
  app.add_option("--settle", options.settle_seconds, "Seconds before memory is read");
  app.add_option("--document", options.document, "A file with the update to join");
  app.add_option("--ledger", options.ledger,
                 "A file of what was seen; written (also when all are connected), or checked");
}

}  // namespace
}  // namespace coterie::bench

int main(int argc, char** argv) {
  coterie::bench::Options options;
  CLI::App app("Puts editors on a server of Yjs documents and prints a JSON line.");
  coterie::bench::AddOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  std::cout << coterie::bench::Run(options).dump() << std::endl;
}
