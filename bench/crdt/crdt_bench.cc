// Measures our document engine on the cases of `./dev bench crdt`, as measure.mjs does the others
// (its head says what is measured): crdt_bench FOLDER CASE...
//
// crdt_bench --large FOLDER FILE: case B4x100, the recording of B4 played a hundred times into one
// document, each time in front of what is there. FILE gets the document, for measure.mjs --large.

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "bench/crdt/workload.h"
#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/js_value.h"
#include "crdt/map.h"
#include "crdt/merge.h"
#include "crdt/text.h"
#include "crdt/transaction.h"

namespace coterie::bench {
namespace {

using Numbers = std::map<std::string, double>;
using Updates = std::vector<std::string>;

// CLOCK=cpu: what this process computed, not what passed; for growth on a machine that is busy.
double NowMs() {
  static const char* const clock_name = std::getenv("CLOCK");  // NOLINT(concurrency-mt-unsafe)
  if (clock_name != nullptr && std::string_view(clock_name) == "cpu") {
    timespec spent{};
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0);
    return static_cast<double>(spent.tv_sec) * 1e3 + static_cast<double>(spent.tv_nsec) / 1e6;
  }
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

template <typename Act>
void Timed(Numbers& numbers, const std::string& what, Act&& act) {
  const double begun = NowMs();
  act();
  numbers[what] += NowMs() - begun;
}

std::string ToAny(const std::string& json) {
  crdt::Lib0Writer writer;
  crdt::WriteAny(crdt::ParseJson(json), writer);
  return writer.Take();
}

std::vector<crdt::NewContent> ToContents(const std::string& json) {
  std::vector<crdt::NewContent> contents;
  for (const auto& value : nlohmann::json::parse(json)) {
    contents.push_back(crdt::NewAny{ToAny(value.dump())});
  }
  return contents;
}

// What measure.mjs calls a peer.
class Peer {
 public:
  explicit Peer(std::uint64_t client)
      : doc_({.garbage = crdt::Garbage::kCollect}),
        client_(crdt::Client{client}),
        text_(doc_, doc_.Root("text")),
        array_(doc_, doc_.Root("array")),
        map_(doc_, doc_.Root("map")) {}

  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // One transaction, and its update event.
  void Perform(const Edit& edit, crdt::Outcome& outcome) {
    crdt::Transaction transaction(doc_, client_);
    switch (edit.kind) {
      case Edit::Kind::kInsert:
        text_.Insert(transaction, edit.position, edit.text);
        break;
      case Edit::Kind::kDelete:
        text_.Delete(transaction, edit.position, edit.length);
        break;
      case Edit::Kind::kValues:
        array_.Insert(transaction, edit.position, ToContents(edit.text));
        break;
      case Edit::Kind::kSet:
        map_.Set(transaction, edit.key, crdt::NewAny{ToAny(edit.text)});
        break;
      case Edit::Kind::kFormat:
        text_.Format(transaction, edit.position, edit.length, {{edit.key, edit.text}});
        break;
    }
    transaction.Commit(outcome);
  }

  void Apply(std::string_view update) { CHECK(!doc_.Apply(update)); }

  // Merged on their bytes first: what a server does with what it stored.
  void ApplyAll(const Updates& updates) {
    const std::vector<std::string_view> views(updates.begin(), updates.end());
    const crdt::MergeResult merged = crdt::MergeUpdates(views);
    CHECK(!merged.malformed);
    Apply(merged.update);
  }

  std::string Encode() const { return doc_.EncodeStateAsUpdate(); }
  std::string Read(const std::string& root) const {
    return root == "text" ? text_.ToString() : root == "array" ? array_.ToJson() : map_.ToJson();
  }

 private:
  crdt::Doc doc_;
  crdt::Client client_;
  crdt::Text text_;
  crdt::Array array_;
  crdt::Map map_;
};

struct Written {
  Peer peer;
  Updates updates;
  explicit Written(std::uint64_t client) : peer(client) {}
};

struct Reader {
  Peer* peer;
  Updates updates;
};

void Write(const Workload& workload, const std::string& base, std::deque<Written>& written,
           Numbers& numbers) {
  for (std::size_t i = 0; i < workload.writers.size(); ++i) {
    Written& writer = written.emplace_back(i + 1);
    if (!base.empty()) writer.peer.Apply(base);
    Timed(numbers, "edit", [&] {
      crdt::Outcome outcome;
      for (const Edit& edit : workload.writers[i]) {
        writer.peer.Perform(edit, outcome);
        // Formatting what is formatted so already changes nothing.
        if (!outcome.update.empty()) writer.updates.push_back(std::move(outcome.update));
      }
    });
  }
}

// Who applies whose updates: see readersOf in measure.mjs.
std::vector<Reader> ReadersOf(std::deque<Written>& written, Peer& another) {
  if (written.size() == 1) return {{&another, written[0].updates}};
  if (written.size() == 2) {
    return {{&written[0].peer, written[1].updates}, {&written[1].peer, written[0].updates}};
  }
  Reader reader{&written[0].peer, {}};
  for (std::size_t i = 1; i < written.size(); ++i) {
    reader.updates.insert(reader.updates.end(), written[i].updates.begin(),
                          written[i].updates.end());
  }
  return {reader};
}

Updates AllOf(const std::vector<Reader>& readers) {
  Updates all;
  for (const Reader& reader : readers) {
    all.insert(all.end(), reader.updates.begin(), reader.updates.end());
  }
  return all;
}

void CheckContent(const std::string& content, const std::string& wanted) {
  if (content == wanted) return;
  std::fprintf(stderr, "the documents differ\n");
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): this program has one thread.
}

// Fills `numbers` and yields the encoded document.
std::string RunCase(const Workload& workload, Numbers& numbers) {
  std::string base;
  if (!workload.base.empty()) {
    Peer peer(999'999);
    crdt::Outcome outcome;
    peer.Perform({.text = workload.base}, outcome);
    base = peer.Encode();
  }
  std::deque<Written> written;
  Write(workload, base, written, numbers);
  for (const Written& writer : written) {
    for (const std::string& update : writer.updates) {
      numbers["updates"] += static_cast<double>(update.size());
    }
  }
  Peer another(1'000'000);
  Peer bulk(1'000'003);
  if (!base.empty()) another.Apply(base);
  if (!base.empty()) bulk.Apply(base);
  const std::vector<Reader> readers = ReadersOf(written, another);
  const Updates all = AllOf(readers);
  Timed(numbers, "bulk", [&] { bulk.ApplyAll(all); });
  Timed(numbers, "apply", [&] {
    for (const Reader& reader : readers) {
      for (const std::string& update : reader.updates) reader.peer->Apply(update);
    }
  });
  if (written.size() > 2) numbers.erase("edit");

  const Peer& complete = *readers[0].peer;
  const std::string content = complete.Read(workload.root);
  const Peer& model = written.size() == 1 ? written[0].peer : complete;
  const std::string wanted = workload.end.value_or(model.Read(workload.root));
  CheckContent(content, wanted);
  if (written.size() <= 2) CheckContent(bulk.Read(workload.root), wanted);

  std::string bytes;
  Timed(numbers, "encode", [&] { bytes = complete.Encode(); });
  numbers["size"] = static_cast<double>(bytes.size());
  std::string loaded_content;
  Timed(numbers, "load", [&] {
    Peer loaded(1'000'001);
    loaded.Apply(bytes);
    loaded_content = loaded.Read(workload.root);
  });
  CheckContent(loaded_content, wanted);
  return bytes;
}

std::size_t LiveBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

double MemoryOf(const std::string& bytes) {
  constexpr std::size_t kSample = std::size_t{4} << 20;
  constexpr std::size_t kCopiesMax = 200;
  const std::size_t copies = std::clamp<std::size_t>(kSample / bytes.size(), 1, kCopiesMax);
  std::deque<Peer> docs;
  const std::size_t before = LiveBytes();
  for (std::size_t i = 0; i < copies; ++i) docs.emplace_back(i + 1).Apply(bytes);
  return static_cast<double>(LiveBytes() - before) / static_cast<double>(copies);
}

void Report(const std::string& name, const std::string& what, double value) {
  std::printf(R"({"engine":"coterie","case":"%s","what":"%s","value":%.6f})"
              "\n",
              name.c_str(), what.c_str(), value);
}

void MeasureCase(const std::string& folder, const std::string& name) {
  const Workload workload = ReadWorkload(folder + "/" + name + ".txt");
  Numbers numbers;
  const double begun = NowMs();
  std::string bytes = RunCase(workload, numbers);
  if (NowMs() - begun < 1000) {
    numbers.clear();
    bytes = RunCase(workload, numbers);
  }
  for (const auto& [what, value] : numbers) Report(name, what, value);
  Report(name, "memory", MemoryOf(bytes));
}

std::string WriteLarge(const Workload& workload, int times, Numbers& numbers) {
  Peer peer(1);
  Timed(numbers, "edit", [&] {
    crdt::Outcome outcome;
    for (int i = 0; i < times; ++i) {
      for (const Edit& edit : workload.writers[0]) peer.Perform(edit, outcome);
    }
  });
  std::string wanted;
  for (int i = 0; i < times; ++i) wanted += *workload.end;
  CheckContent(peer.Read(workload.root), wanted);
  std::string bytes;
  Timed(numbers, "encode", [&] { bytes = peer.Encode(); });
  return bytes;
}

void MeasureLarge(const std::string& folder, const std::string& path) {
  constexpr int kTimes = 100;
  constexpr int kLoads = 3;
  const std::string name = "B4x100";
  const Workload workload = ReadWorkload(folder + "/B4.txt");
  Numbers numbers;
  const std::string bytes = WriteLarge(workload, kTimes, numbers);
  for (const auto& [what, value] : numbers) Report(name, what, value);
  Report(name, "size", static_cast<double>(bytes.size()));
  for (int i = 0; i < kLoads; ++i) {
    Numbers load;
    Timed(load, "load", [&] {
      Peer peer(2);
      peer.Apply(bytes);
      CHECK(peer.Read(workload.root).size() == kTimes * workload.end->size());
    });
    Report(name, "load", load["load"]);
  }
  Report(name, "memory", MemoryOf(bytes));
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  CHECK(file.flush().good());
}

}  // namespace
}  // namespace coterie::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "crdt_bench FOLDER CASE... or crdt_bench --large FOLDER FILE\n");
    return 2;
  }
  if (argc == 4 && std::string_view(argv[1]) == "--large") {
    coterie::bench::MeasureLarge(argv[2], argv[3]);
    return 0;
  }
  for (int i = 2; i < argc; ++i) coterie::bench::MeasureCase(argv[1], argv[i]);
  return 0;
}
