// Every line of testdata/history.txt is a step that the real yjs took, or what it then answered:
// undo, positions and snapshots of one document, with others writing in between.

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/doc_position.h"
#include "crdt/map.h"
#include "crdt/rewind.h"
#include "crdt/test_bytes.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/undo.h"

namespace coterie::crdt {
namespace {

constexpr Client kWriter{1};

// One document and the words that are done to it.
class History {
 public:
  explicit History(std::istringstream& words) {
    int joins = 0, collects = 0, replaces = 0;
    std::string scope;
    words >> joins >> collects >> scope >> replaces;
    doc_ = std::make_unique<Doc>(
        Doc::Options{.garbage = collects != 0 ? Garbage::kCollect : Garbage::kKeep});
    for (const char* root : {"t", "m", "a"}) doc_->Root(root);
    using Others = UndoHistory::Options::OthersValues;
    UndoHistory::Options options{.writer = kWriter,
                                 .scope = {},
                                 .join_ticks = joins != 0 ? std::uint64_t{1} << 40 : 0,
                                 .others_values = replaces != 0 ? Others::kReplace : Others::kKeep};
    for (const char c : scope == "all" ? std::string() : scope) {
      options.scope.push_back(doc_->Root(std::string(1, c)));
    }
    undo_ = std::make_unique<UndoHistory>(*doc_, options);
  }

  // What the words ask for, as the line's last word says it; "" if they ask for nothing.
  std::string Do(const std::string& verb, std::istringstream& words) {
    if (verb == "expect") return ToHex(doc_->EncodeStateAsUpdate());
    if (verb == "relative") return Relative(words);
    if (verb == "absolute") return Absolute(words);
    if (verb == "snapshot") return AtSnapshot(words);
    Outcome outcome;
    if (verb == "undo") {
      undo_->Undo(outcome, Watch::kNothing);
    } else if (verb == "redo") {
      undo_->Redo(outcome, Watch::kNothing);
    } else if (verb == "stop") {
      undo_->StopJoining();
    } else if (verb == "apply") {
      std::string update;
      words >> update;
      EXPECT_FALSE(doc_->Apply(FromHex(update)));
    } else {
      Transaction transaction(*doc_, kWriter);
      Edit(verb, words, transaction);
      undo_->Capture(transaction, Ticks(++now_));
    }
    doc_->CheckInvariantsDeep();
    return "";
  }

 private:
  void Edit(const std::string& verb, std::istringstream& words, Transaction& transaction) {
    Text text(*doc_, doc_->Root("t"));
    Map map(*doc_, doc_->Root("m"));
    Array array(*doc_, doc_->Root("a"));
    if (verb[0] == 'n') text = Text(*doc_, map.GetType("n").value_or(TypeHandle{}));
    std::string first, second, third, fourth;
    words >> first;
    if (verb == "ti" || verb == "ni") {
      words >> second;
      text.Insert(transaction, std::stoull(first), FromHex(second));
    } else if (verb == "td" || verb == "nd") {
      words >> second;
      text.Delete(transaction, std::stoull(first), std::stoull(second));
    } else if (verb == "tf") {
      words >> second >> third >> fourth;
      text.Format(transaction, std::stoull(first), std::stoull(second), {{third, fourth}});
    } else if (verb == "ms") {
      words >> second;
      map.Set(transaction, first, NewAny{FromHex(second)});
    } else if (verb == "mt") {
      map.Set(transaction, first, NewType{.kind = TypeKind::kText, .name = ""});
    } else if (verb == "md") {
      map.Delete(transaction, first);
    } else if (verb == "ai") {
      std::vector<NewContent> values;
      while (words >> second) values.emplace_back(NewAny{FromHex(second)});
      array.Insert(transaction, std::stoull(first), values);
    } else if (verb == "ad") {
      words >> second;
      array.Delete(transaction, std::stoull(first), std::stoull(second));
    } else {
      ADD_FAILURE() << verb;
    }
  }

  std::string Relative(std::istringstream& words) {
    std::string root;
    std::uint64_t index = 0;
    std::int64_t assoc = 0;
    words >> root >> index >> assoc;
    return ToHex(
        EncodeRelativePosition(ToRelativePosition(*doc_, doc_->Root(root), index, assoc).value()));
  }

  std::string Absolute(std::istringstream& words) {
    std::string hex;
    words >> hex;
    RelativePosition position;
    EXPECT_FALSE(DecodeRelativePosition(FromHex(hex), position));
    const std::optional<AbsolutePosition> found = ToAbsolutePosition(*doc_, position);
    return found.has_value() ? std::to_string(found->index) : "none";
  }

  std::string AtSnapshot(std::istringstream& words) {
    std::string hex;
    words >> hex;
    Snapshot snapshot;
    EXPECT_FALSE(DecodeSnapshot(FromHex(hex), WireFormat::kV1, snapshot));
    const Rewound rewound = RewindUpdate(doc_->EncodeStateAsUpdate(), snapshot);
    EXPECT_EQ(rewound.lost_clocks, 0u);
    Doc then(Doc::Options{.garbage = Garbage::kKeep});
    EXPECT_FALSE(then.Apply(rewound.update));
    return ToHex(then.EncodeStateAsUpdate());
  }

  std::unique_ptr<Doc> doc_;
  std::unique_ptr<UndoHistory> undo_;
  std::uint64_t now_ = 0;
};

TEST(History, IsWhatYjsMakesOfIt) {
  const char* path = std::getenv("COTERIE_HISTORY");  // NOLINT(concurrency-mt-unsafe)
  std::ifstream file(path != nullptr ? path : "testdata/history.txt");
  ASSERT_TRUE(file.is_open());
  std::unique_ptr<History> history;
  std::string line, since;
  int answers = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "case") {
      history = std::make_unique<History>(words);
      since.clear();
    }
    since += line + "\n";
    const std::string answer = verb == "case" ? "" : history->Do(verb, words);
    if (answer.empty()) continue;
    ASSERT_EQ(answer, line.substr(line.rfind(' ') + 1)) << since.substr(0, 6000);
    ++answers;
  }
  EXPECT_GT(answers, 0);
}

}  // namespace
}  // namespace coterie::crdt
