#include "sim/history.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/overload.h"
#include "crdt/doc.h"
#include "crdt/text.h"
#include "sim/plan.h"
#include "sim/violation.h"
#include "state/content.h"
#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::sim {

std::uint64_t DigestOfEvents(const std::string& encoded) {
  return (std::uint64_t{ComputeCrc32c(encoded)} << 20) ^ encoded.size();
}

std::size_t History::events_told() const {
  std::size_t count = 0;
  for (const std::vector<Told>& told : told_) count += told.size();
  return count;
}

namespace {

std::string TextWithDraft(const state::Machine& machine, DocId doc, const std::string& user) {
  crdt::Doc merged({.garbage = crdt::Garbage::kCollect});
  const std::optional<std::string> content = machine.UpdateAt(doc, Revision(), {});
  const std::optional<std::string> draft = machine.DraftUpdate(doc, user);
  CHECK(content && draft && !merged.Apply(*content) && !merged.Apply(*draft));
  return crdt::Text(merged, merged.Root(state::kTextRoot)).ToString();
}

using WordCounts = std::map<std::string, int, std::less<>>;
void CountWords(std::string_view text, WordCounts& counts) {
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    ++counts[std::string(text.substr(0, end))];
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace

// What one machine makes of the log, alone and without a fault. Locks are followed by their events:
// at most one holder at any revision, tokens that only grow (guarantee 6).
struct History::Replay {
  std::set<std::pair<Revision, std::string>> outcomes;  // Encoded. Of joint edits, each one's.
  std::vector<Told> events;
  std::vector<std::optional<std::string>> texts;  // Of History::reads_, in their order.
  std::map<DocId, std::string> final_texts;
  std::map<DocId, std::vector<std::string>> drafts;  // The texts that would come of them.
  std::map<DocId, FencingToken> held;
  std::map<DocId, FencingToken> newest;
  std::set<std::pair<SessionId, Revision>> present;

  void Follow(const state::EventBatch& batch) {
    for (const state::Event& event : batch.events) {
      std::visit(Overload{[&](const state::DocumentLocked& locked) { Lock(locked); },
                          [&](const state::DocumentUnlocked& unlocked) { Unlock(unlocked); },
                          [](const auto&) {}},
                 event.body);
    }
  }
  void Lock(const state::DocumentLocked& locked) {
    const DocId doc = locked.lock.doc;
    const FencingToken token = locked.lock.token;
    if (locked.renewed) {
      if (!held.contains(doc) || held[doc] != token) Violate("a lock was renewed by another one");
      return;
    }
    if (held.contains(doc)) {
      Violate(absl::StrCat("document ", doc.value(), " has two holders: tokens ", held[doc].value(),
                           " and ", token.value()));
    }
    if (token <= newest[doc]) Violate("a fencing token that is not newer than the last");
    held[doc] = newest[doc] = token;
  }
  void Unlock(const state::DocumentUnlocked& unlocked) {
    const auto found = held.find(unlocked.doc);
    if (found == held.end() || found->second != unlocked.token) {
      Violate(absl::StrCat("an unlock of token ", unlocked.token.value(), ", which is not held"));
    }
    held.erase(found);
  }
};

void History::Check(const std::vector<raft::EntryRef>& committed) const {
  CheckRealTime();
  Replay replay;
  replay.texts.resize(reads_.size());
  std::vector<std::size_t> by_revision(reads_.size());
  for (std::size_t i = 0; i < reads_.size(); ++i) by_revision[i] = i;
  std::ranges::sort(by_revision, [this](std::size_t a, std::size_t b) {
    return std::pair(reads_[a].revision, a) < std::pair(reads_[b].revision, b);
  });

  state::MemoryKv kv;
  state::Machine machine(kv, kMachineOptions);
  auto next_read = by_revision.begin();
  const auto read_here = [&] {
    for (; next_read != by_revision.end() && reads_[*next_read].revision <= machine.applied().index;
         ++next_read) {
      replay.texts[*next_read] = machine.TextAt(reads_[*next_read].doc, Revision());
    }
  };
  for (const raft::EntryRef& entry : committed) {
    if (entry.type == raft::EntryType::kNoop) {
      machine.ApplyNoop(entry.term, entry.index);
    } else if (entry.type == raft::EntryType::kConfiguration) {
      machine.ApplyConfiguration(entry.term, entry.index, entry.payload.view());
    } else {
      state::ApplyResult result =
          machine.ApplyCommand(entry.term, entry.index, entry.payload.view());
      if (result.outcome) {
        // A duplicate is answered with the first outcome, under the first revision.
        replay.outcomes.emplace(result.outcome->revision, EncodeOutcome(*result.outcome));
        for (const state::Outcome& part : result.outcome->parts) {
          replay.outcomes.emplace(part.revision, EncodeOutcome(part));
        }
      }
      if (result.events && !result.events->events.empty()) {
        replay.Follow(*result.events);
        replay.events.push_back({.revision = result.events->revision,
                                 .digest = DigestOfEvents(EncodeEventBatch(*result.events))});
      }
    }
    machine.Commit();
    read_here();
  }
  if (machine.divergence()) Violate(absl::StrCat("replay: ", machine.divergence()->what));
  for (const state::DocumentView& document : machine.Documents()) {
    replay.final_texts[document.id] = machine.TextAt(document.id, Revision()).value_or("");
    for (const state::DraftView& draft : machine.Drafts(document.id)) {
      replay.drafts[document.id].push_back(TextWithDraft(machine, document.id, draft.user));
    }
  }
  CheckOutcomes(replay);
  CheckReads(replay);
  CheckWords(replay);
  CheckEvents(replay);
}

// Whatever was answered before a call began comes before it in the log (Herlihy and Wing 1990).
void History::CheckRealTime() const {
  struct Point {
    std::uint64_t time_us = 0;
    bool is_call = false;  // At one time, calls come first: they overlap.
    Revision revision;
    bool is_update = false;
    bool operator<(const Point& other) const {
      return std::pair(time_us, !is_call) < std::pair(other.time_us, !other.is_call);
    }
  };
  std::vector<Point> points;
  for (const Update& update : updates_) {
    if (update.outcome.revision.IsNone()) continue;
    points.push_back({update.called_us, true, update.outcome.revision, true});
    points.push_back({update.returned_us, false, update.outcome.revision, true});
    if (update.outcome.revision <= update.committed_at_call ||
        update.outcome.revision > update.committed_at_return) {
      Violate(absl::StrCat("client ", update.client, " was given revision ",
                           update.outcome.revision.value(), " for a call that began after ",
                           update.committed_at_call.value(), " and ended at ",
                           update.committed_at_return.value()));
    }
  }
  for (const TextRead& read : reads_) {
    if (!read.is_stale_allowed) points.push_back({read.called_us, true, read.revision, false});
    points.push_back({read.returned_us, false, read.revision, false});
  }
  std::ranges::stable_sort(points, std::less<>());
  Revision newest;
  for (const Point& point : points) {
    if (!point.is_call) {
      newest = std::max(newest, point.revision);
    } else if (point.is_update ? point.revision <= newest : point.revision < newest) {
      Violate(absl::StrCat("not linearizable: ", point.is_update ? "an update" : "a read",
                           " called at ", point.time_us, " us was done at revision ",
                           point.revision.value(), ", and ", newest.value(),
                           " had been answered before"));
    }
  }
}

void History::CheckOutcomes(const Replay& replay) const {
  for (const Update& update : updates_) {
    if (update.outcome.revision.IsNone()) continue;
    if (!replay.outcomes.contains({update.outcome.revision, EncodeOutcome(update.outcome)})) {
      Violate(absl::StrCat("client ", update.client, " was told of an outcome at ",
                           update.outcome.revision.value(), " that the log does not give"));
    }
  }
}

void History::CheckReads(const Replay& replay) const {
  for (std::size_t i = 0; i < reads_.size(); ++i) {
    if (replay.texts[i].value_or("") == reads_[i].text) continue;
    Violate(absl::StrCat("client ", reads_[i].client, " read at ", reads_[i].revision.value(),
                         " of document ", reads_[i].doc.value(), " what is not there: \"",
                         reads_[i].text, "\" for \"", replay.texts[i].value_or("(nothing)"), "\""));
  }
}

// Independent of revisions and of the machine's own memory of requests: every word at most once,
// and once if that was acknowledged; what was acknowledged as a draft at least in a draft.
void History::CheckWords(const Replay& replay) const {
  std::map<DocId, WordCounts> found;
  std::map<DocId, WordCounts> drafted;
  for (const auto& [doc, text] : replay.final_texts) CountWords(text, found[doc]);
  for (const auto& [doc, texts] : replay.drafts) {
    for (const std::string& text : texts) CountWords(text, drafted[doc]);
  }
  for (const Word& word : words_) {
    const int count = found[word.doc][word.word];
    if (count <= 1 && (count == 1 || !word.is_acknowledged)) continue;
    if (count == 0 && word.is_draft && drafted[word.doc][word.word] > 0) continue;
    Violate(absl::StrCat(word.is_acknowledged ? "acknowledged" : "unacknowledged",
                         word.is_draft ? " draft of" : "", " word ", word.word, " stands ", count,
                         " times in document ", word.doc.value()));
  }
}

// Each told list is a piece of the one order, without gap or duplicate (guarantee 2).
void History::CheckEvents(const Replay& replay) const {
  for (const std::vector<Told>& told : told_) {
    if (told.empty()) continue;
    auto at = std::ranges::lower_bound(replay.events, told.front().revision, std::less<>(),
                                       &Told::revision);
    for (const Told& event : told) {
      if (at == replay.events.end() || at->revision != event.revision ||
          at->digest != event.digest) {
        Violate(absl::StrCat("a subscriber was told of revision ", event.revision.value(),
                             " where ", at == replay.events.end() ? 0 : at->revision.value(),
                             " comes next, or of other events than happened"));
      }
      ++at;
    }
  }
}

}  // namespace coterie::sim
