// How fast updates are checked, merged, compared and transcoded on their bytes, without a document
// being built: crdt_algebra_bench FOLDER [OPERATION [INPUT]], the folder as workload.mjs wrote it
// (it needs case B4).
//
// For each input a line per operation: gigabytes a second of the bytes that go in (of V2: of the
// same update in V1), by the processor time of this process, the best of many rounds.
//
//   B4        the recording of crdt-benchmarks, by one writer whose id takes one byte
//   B4x8      the same, written in turns by eight whose ids take five bytes, as Yjs draws them
//   letters   the updates of all keystrokes of B4, and what becomes of them when merged
//   ascii, wide   a text of one struct: letters; Chinese and emoji

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "bench/crdt/workload.h"
#include "crdt/doc.h"
#include "crdt/merge.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/validate.h"

namespace coterie::bench {
namespace {

// The clock counts processor time in steps that may be coarse, so whole batches are timed.
constexpr double kBatchSeconds = 0.03;
constexpr int kBatches = 12;
// A writer of B4x8 makes so many edits in a row.
constexpr std::size_t kTurnEdits = 40;

double CpuSeconds() {
  timespec spent{};
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

// Only this operation, if any is named, and only on this input.
std::string_view wanted, wanted_input;

template <typename Act>
void Measure(std::string_view input, std::string_view what, std::size_t bytes, Act&& act) {
  const bool is_wanted =
      (wanted.empty() || wanted == what) && (wanted_input.empty() || wanted_input == input);
  if (!is_wanted) return act();
  double best = 1e9;
  for (int batch = 0; batch < kBatches; ++batch) {
    const double begun = CpuSeconds();
    int rounds = 0;
    double spent = 0;
    for (; spent < kBatchSeconds; spent = CpuSeconds() - begun) {
      act();
      ++rounds;
    }
    best = std::min(best, spent / rounds);
  }
  std::printf("%-8.*s %-18.*s %9zu bytes %9.3f ms %7.2f GB/s\n", static_cast<int>(input.size()),
              input.data(), static_cast<int>(what.size()), what.data(), bytes, best * 1e3,
              static_cast<double>(bytes) / best / 1e9);
}

// A document that is being written, and what of it is measured.
struct Recording {
  std::string early;  // Its state after two thirds of the edits,
  std::string late;   // what came after one third,
  std::string half;   // its state after half,
  std::string rest;   // what came after that,
  std::string whole;  // and all of it.
  std::vector<std::string> updates;
};

Recording Record(const std::vector<Edit>& edits, const std::vector<crdt::Client>& writers) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  crdt::Text text(doc, doc.Root("text"));
  Recording made;
  crdt::StateVector third, half;
  crdt::Outcome outcome;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (i == edits.size() / 3) third = doc.state_vector();
    if (i == edits.size() / 2) {
      half = doc.state_vector();
      made.half = doc.EncodeStateAsUpdate();
    }
    if (i == edits.size() / 3 * 2) made.early = doc.EncodeStateAsUpdate();
    crdt::Transaction transaction(doc, writers[i / kTurnEdits % writers.size()]);
    if (edits[i].kind == Edit::Kind::kInsert) {
      text.Insert(transaction, edits[i].position, edits[i].text);
    } else {
      text.Delete(transaction, edits[i].position, edits[i].length);
    }
    transaction.Commit(outcome);
    made.updates.push_back(std::move(outcome.update));
  }
  made.whole = doc.EncodeStateAsUpdate();
  made.late = doc.EncodeStateAsUpdate(third);
  made.rest = doc.EncodeStateAsUpdate(half);
  return made;
}

void MeasureMerge(std::string_view input, std::string_view what,
                  const std::vector<std::string_view>& updates) {
  std::size_t bytes = 0;
  for (const std::string_view update : updates) bytes += update.size();
  Measure(input, what, bytes, [&] { CHECK(!crdt::MergeUpdates(updates).malformed); });
}

void MeasureOne(std::string_view input, const std::string& update) {
  const std::size_t size = update.size();
  Measure(input, "validate", size, [&] { CHECK(!crdt::ValidateUpdate(update)); });
  crdt::UpdateView view;
  Measure(input, "index", size, [&] { CHECK(!crdt::UpdateView::Open(update, view)); });
  Measure(input, "difference", size, [&] { CHECK(!view.Diff(crdt::StateVector()).empty()); });
  Measure(input, "squash", size, [&] { CHECK(!crdt::SquashUpdate(update).malformed); });
  std::string columns;
  Measure(input, "to V2", size, [&] { columns = crdt::TranscodeToV2(update).update; });
  Measure(input, "from V2", size,
          [&] { CHECK(crdt::TranscodeToV1(columns, 2 * size + 1024).update == update); });
  MeasureMerge(input, "merge with itself", {update, update});
}

void MeasureRecording(std::string_view input, const Recording& recording) {
  MeasureOne(input, recording.whole);
  MeasureMerge(input, "merge halves", {recording.half, recording.rest});
  MeasureMerge(input, "merge overlap", {recording.early, recording.late});
}

void MeasureText(std::string_view input, std::string_view unit) {
  std::string written;
  while (written.size() < (std::size_t{1} << 20)) written += unit;
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  crdt::Text text(doc, doc.Root("text"));
  crdt::Outcome outcome;
  crdt::Transaction transaction(doc, crdt::Client{1});
  text.Insert(transaction, 0, written);
  transaction.Commit(outcome);
  MeasureOne(input, outcome.update);
}

void Run(const std::string& folder) {
  const std::vector<Edit> edits = ReadWorkload(folder + "/B4.txt").writers[0];
  const Recording alone = Record(edits, {crdt::Client{1}});
  MeasureRecording("B4", alone);
  std::vector<crdt::Client> eight;
  for (std::uint64_t i = 0; i < 8; ++i) eight.push_back(crdt::Client{3'000'000'000 + i * 77'777});
  MeasureRecording("B4x8", Record(edits, eight));

  const std::vector<std::string_view> letters(alone.updates.begin(), alone.updates.end());
  MeasureMerge("letters", "merge all", letters);
  const crdt::MergeResult merged = crdt::MergeUpdates(letters);
  MeasureOne("letters", merged.update);

  MeasureText("ascii", "the quick brown fox ");
  MeasureText("wide", "\xe6\x95\x8f\xe6\x8d\xb7\xe7\x8b\x90\xf0\x9f\xa6\x8a");
}

}  // namespace
}  // namespace coterie::bench

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "crdt_algebra_bench FOLDER [OPERATION [INPUT]]\n");
    return 2;
  }
  if (argc > 2) coterie::bench::wanted = argv[2];
  if (argc > 3) coterie::bench::wanted_input = argv[3];
  coterie::bench::Run(argv[1]);
  return 0;
}
