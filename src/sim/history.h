#pragma once

// What clients did and were told, and whether all of it could have happened in one order: the
// log's. Every answer names its revision, so no search is needed (as one is for answers that do
// not: tests/linearizability.h): the order is given, and what remains is to check that it respects
// real time and that a machine that runs the log alone would have said the same. Owner: the run.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "raft/entry.h"
#include "state/outcome.h"

namespace coterie::sim {

// A command that was answered.
struct Update {
  std::uint64_t client = 0;
  std::uint64_t called_us = 0;
  std::uint64_t returned_us = 0;
  Revision committed_at_call;    // Its own revision is later,
  Revision committed_at_return;  // and at most this.
  state::Outcome outcome;
};
// A linearizable read of a document that was answered.
struct TextRead {
  std::uint64_t client = 0;
  std::uint64_t called_us = 0;
  std::uint64_t returned_us = 0;
  bool is_stale_allowed = false;
  Revision revision;
  DocId doc;
  std::string text;
};
// A word that was to be written to a list, once.
struct Word {
  DocId doc;
  std::string word;
  bool is_acknowledged = false;
  bool is_draft = false;  // It may also stand in a draft.
};
// What a subscriber was told, between two gaps that it was told of.
struct Told {
  Revision revision;
  std::uint64_t digest = 0;
};

// What came of a request that older members could not read.
enum class Asked : std::uint8_t { kDone, kRefused };

class History {
 public:
  void Add(Update update) { updates_.push_back(std::move(update)); }
  void Add(TextRead read) { reads_.push_back(std::move(read)); }
  void Add(Word word) { words_.push_back(std::move(word)); }
  void Add(std::vector<Told> told) { told_.push_back(std::move(told)); }

  void CountNews(Asked what) { ++(what == Asked::kDone ? news_done_ : news_refused_); }
  std::uint64_t news_done() const { return news_done_; }
  std::uint64_t news_refused() const { return news_refused_; }

  // Against the whole log. Violates (sim/violation.h) what does not hold.
  void Check(const std::vector<raft::EntryRef>& committed) const;

  std::size_t updates() const { return updates_.size(); }
  std::size_t reads() const { return reads_.size(); }
  std::size_t events_told() const;

 private:
  struct Replay;
  void CheckRealTime() const;
  void CheckOutcomes(const Replay& replay) const;
  void CheckReads(const Replay& replay) const;
  void CheckWords(const Replay& replay) const;
  void CheckEvents(const Replay& replay) const;

  std::uint64_t news_done_ = 0;
  std::uint64_t news_refused_ = 0;
  std::vector<Update> updates_;
  std::vector<TextRead> reads_;
  std::vector<Word> words_;
  std::vector<std::vector<Told>> told_;
};

// How an event batch is compared.
std::uint64_t DigestOfEvents(const std::string& encoded);

}  // namespace coterie::sim
