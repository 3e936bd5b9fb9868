// Edits by delta: formatting and embeds, against a revision, in either unit; and how a delta is
// read from JSON.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/change.h"
#include "state/delta_json.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class DeltaTest : public MachineTest {
 protected:
  DeltaTest() {
    ann_ = LoginAs("ann");
    ben_ = LoginAs("ben");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  EditDelta DeltaOf(const std::string& json, Revision base = {}) {
    ParsedDelta parsed = ParseDeltaJson(json);
    EXPECT_EQ(parsed.why_not, "");
    return {.doc = doc_, .base = base, .steps = std::move(parsed.steps)};
  }
  Revision Edited(const std::string& json, Revision base = {}) {
    const Outcome outcome = Ok(ann_, DeltaOf(json, base));
    machine_->CheckInvariantsDeep();
    return outcome.revision;
  }
  // The content as a delta, one op a line: what is inserted, then its attributes.
  std::string Shown() {
    crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
    EXPECT_FALSE(doc.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
    std::string shown;
    for (const crdt::DeltaOp& op : crdt::Text(doc, doc.Root("text")).ToDelta()) {
      shown += op.text;
      for (const auto& [name, json] : op.attributes) shown.append(" ").append(name).append(json);
      shown += "\n";
    }
    return shown;
  }

  SessionId ann_;
  SessionId ben_;
  DocId doc_;
};

TEST_F(DeltaTest, FormatsInsertsEmbedsAndDeletes) {
  Edited(R"([{"insert":"one two three"}])");
  Edited(R"([{"retain":4,"attributes":{"bold":true}},{"delete":4},)"
         R"({"insert":{"image":"a.png"},"attributes":{"width": 5 }},{"insert":"2 "}])");
  EXPECT_EQ(Shown(), "one  boldtrue\n{\"image\":\"a.png\"} width5\n2 three\n");
  EXPECT_EQ(TextOf(doc_), "one 2 three");
  Edited(R"({"ops":[{"retain":2},{"retain":1,"attributes":{"bold":null,"href":"x"}}]})");
  EXPECT_EQ(Shown(),
            "on boldtrue\ne href\"x\"\n  boldtrue\n{\"image\":\"a.png\"} width5\n2 three\n");
}

TEST_F(DeltaTest, WhatIsOnlyFormattedIsAVersionWithoutChangesOfText) {
  Edited(R"([{"insert":"abc"}])");
  const std::vector<Event> events =
      EventsOf(ann_, DeltaOf(R"([{"retain":2,"attributes":{"bold":true}}])"));
  const auto& changed = std::get<DocumentChanged>(events.at(0).body);
  EXPECT_TRUE(changed.changes.empty());
  EXPECT_FALSE(changed.update.empty());
  EXPECT_TRUE(EventsOf(ann_, DeltaOf(R"([{"retain":3}])")).empty());
}

TEST_F(DeltaTest, MeansTheTextAtItsBase) {
  const Revision base = Edited(R"([{"insert":"0123456789"}])");
  Ok(ben_, Edit{.doc = doc_, .splices = {{2, 2, "XY"}, {8, 0, "Z"}}});
  ASSERT_EQ(TextOf(doc_), "01XY4567Z89");
  // Formats over an insertion, deletes around one, inserts at a place that moved.
  Edited(R"([{"retain":1},{"retain":5,"attributes":{"bold":true}},{"delete":3},{"insert":"!"}])",
         base);
  EXPECT_EQ(Shown(), "0\n1XY45 boldtrue\nZ!9\n");
}

TEST_F(DeltaTest, EmbedsThatCameMeanwhileCount) {
  const Revision base = Edited(R"([{"insert":"abcd"}])");
  Edited(R"([{"retain":1},{"insert":{"i":1}},{"retain":1},{"insert":{"i":2}}])");
  const Revision later = Edited(R"([{"retain":2},{"insert":"-","attributes":{}}])");
  Edited(R"([{"retain":3},{"insert":"!"}])", base);
  EXPECT_EQ(Shown(), "a\n{\"i\":1}\n-b\n{\"i\":2}\nc!d\n");
  Edited(R"([{"retain":1},{"delete":1}])");
  Edited(R"([{"retain":3},{"insert":"?"}])", later);
  EXPECT_EQ(Shown(), "a-?b\n{\"i\":2}\nc!d\n");
  Ok(ben_, Edit{.doc = doc_, .base = later, .splices = {{6, 0, "+"}}});
  EXPECT_EQ(Shown(), "a-?b\n{\"i\":2}\nc!+d\n");
}

TEST_F(DeltaTest, ATextOfNothingButAnEmbedIsOne) {
  Edited(R"([{"insert":{"i":1}}])");
  EXPECT_EQ(Shown(), "{\"i\":1}\n");
  Ok(ben_, Append{.doc = doc_, .text = "end"});
  Edited(R"([{"insert":"a"},{"retain":1}])");
  EXPECT_EQ(Shown(), "a\n{\"i\":1}\nend\n");
}

TEST_F(DeltaTest, CountsInTheUnitThatItSays) {
  Edited(R"([{"insert":"\ud83d\ude00b"}])");
  EditDelta points = DeltaOf(R"([{"retain":1},{"insert":"a"}])");
  points.unit = PositionUnit::kCodePoint;
  Ok(ann_, points);
  EXPECT_EQ(TextOf(doc_), "\U0001F600ab");
  EXPECT_EQ(CodeOf(ann_, DeltaOf(R"([{"retain":1},{"insert":"a"}])")), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann_, DeltaOf(R"([{"retain":5}])")), Code::kOutOfRange);
  EXPECT_EQ(CodeOf(ann_, DeltaOf(R"([{"retain":1},{"delete":4}])")), Code::kOutOfRange);
}

// Each piece that is inserted between letters of many attributes ends and begins all of them again:
// a delta of 10 000 would have made millions of marks.
TEST_F(DeltaTest, WritesNoMoreMarksThanItMay) {
  Edited(R"([{"insert":"letters"}])");
  for (int i = 0; i < 40; ++i) {
    EditDelta format{.doc = doc_, .steps = {{.kind = StepKind::kRetain, .length = 7}}};
    for (std::size_t k = 0; k < 50; ++k) {
      format.steps[0].attributes.emplace_back("k" + std::to_string(i * 50 + k), "1");
    }
    Ok(ann_, format);
  }
  const auto inserts = [this](std::size_t count) {
    EditDelta delta{.doc = doc_, .steps = {{.kind = StepKind::kRetain, .length = 3}}};
    delta.steps.resize(1 + count, {.kind = StepKind::kInsert, .text = "x"});
    return delta;
  };
  constexpr std::size_t kTooMany = kMarksWrittenMax / 2'000 + 1;
  EXPECT_EQ(CodeOf(ann_, inserts(kTooMany)), Code::kExhausted);
  Restart();
  EXPECT_EQ(CodeOf(ann_, inserts(kTooMany)), Code::kExhausted);
  Ok(ann_, inserts(10));
  Ok(ann_, Append{.doc = doc_, .text = "."});
  EXPECT_EQ(TextOf(doc_).size(), 7u + 10 + 1);
}

TEST_F(DeltaTest, RespectsALockAndTheRoles) {
  Ok(ben_, Lock{.doc = doc_, .ttl_ms = 60'000});
  EXPECT_EQ(CodeOf(ann_, DeltaOf(R"([{"insert":"a"}])")), Code::kLocked);
  EXPECT_EQ(CodeOf({}, DeltaOf(R"([{"insert":"a"}])")), Code::kUnauthenticated);
}

// By the rules of a level that a program reads that is older, an embed moves nothing.
TEST_F(DeltaTest, EntriesOfAnOlderLevelAreAppliedByItsRules) {
  Edited(R"([{"insert":"ab"}])");
  crdt::Doc editor({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(editor.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
  const Revision base = machine_->applied().index;
  crdt::Transaction transaction(editor, crdt::Client(9));
  crdt::Text(editor, editor.Root("text")).InsertEmbed(transaction, 0, "{}", {});
  const Command command{.session = ann_,
                        .body = ApplyUpdate{.doc = doc_, .update = transaction.Commit().update}};
  const std::string payload = StampCommand({.time_ms = 9, .level = 2}, EncodeCommand(command));
  ASSERT_TRUE(
      machine_->ApplyCommand(Term(1), machine_->applied().index.Next(), payload).outcome->ok());
  machine_->Commit();
  EXPECT_EQ(machine_->level(), kLevelNewest);  // Of an entry before.
  Ok(ben_, Edit{.doc = doc_, .base = base, .splices = {{1, 0, "x"}}});
  EXPECT_EQ(Shown(), "{}\nxab\n");
}

TEST_F(DeltaTest, WhatIsNoDeltaIsSaidToBeNone) {
  const auto why = [](const std::string& json) { return ParseDeltaJson(json).why_not; };
  EXPECT_EQ(why("[{]"), "The delta is no JSON, at byte 2: a value is not JSON.");
  EXPECT_NE(why("5"), "");
  EXPECT_NE(why("{}"), "");
  EXPECT_EQ(why("[{}]"), "Op 0 of the delta has not exactly one of insert, retain and delete.");
  for (const char* op : {R"({"retain":0})", R"({"retain":1.5})", R"({"delete":-1})",
                         R"({"retain":"1"})", R"({"insert":""})", R"({"insert":"a","delete":1})",
                         R"({"insert":"a","x":1})", R"({"insert":"a","attributes":[]})", "7"}) {
    EXPECT_NE(why(std::string("[") + op + "]"), "") << op;
  }
  EXPECT_EQ(why(R"([{"insert":"a","attributes":null},{"insert":[1]},{"retain":1}])"), "");
  // What comes past the parser: a command from elsewhere.
  for (const DeltaStep& step :
       {DeltaStep{}, DeltaStep{.kind = StepKind::kInsert},
        DeltaStep{.kind = StepKind::kEmbed, .text = "{"},
        DeltaStep{.length = 1, .attributes = {{"a", "1"}, {"a", "2"}}},
        DeltaStep{.length = 1, .attributes = {{"a", "x"}}},
        DeltaStep{.kind = StepKind::kDelete, .length = 1, .attributes = {{"a", "1"}}},
        DeltaStep{.kind = StepKind::kInsert, .text = "\xff"}}) {
    EXPECT_EQ(CodeOf(ann_, EditDelta{.doc = doc_, .steps = {step}}), Code::kInvalidArgument);
  }
}

// A naive text of letters with names, as in Transform: each span ends up over the letters that it
// was over, and, if it formats, over what came between them.
TEST(Transform, KeepsTheMeaningOfEverySpan) {
  Prng prng(6);
  for (int round = 0; round < 5'000; ++round) {
    const std::string before = "0123456789";
    const std::uint64_t begin = prng.Below(11);
    const std::uint64_t deleted = prng.Below(11 - begin);
    const std::string inserted(prng.Below(3), 'X');
    std::string text = before;
    text.replace(begin, deleted, inserted);
    std::vector<DeltaStep> steps;
    std::uint64_t end = 0;
    while (end < 10) {
      const std::uint64_t length = prng.Between(1, 10 - end);
      const bool deletes = prng.Chance(1, 3);
      steps.push_back({.kind = deletes ? StepKind::kDelete : StepKind::kRetain, .length = length});
      if (!deletes && prng.Chance(1, 2)) steps.back().attributes = {{"bold", "true"}};
      end += length;
    }
    const std::vector<DeltaSpan> asked = SpansOf(steps);
    std::vector<DeltaSpan> spans = asked;
    const TextSize at{begin, begin, begin};
    TransformSpans({.position = at,
                    .deleted = {deleted, deleted, deleted},
                    .inserted = {inserted.size(), inserted.size(), inserted.size()}},
                   PositionUnit::kUtf16, steps, spans);
    std::vector<std::string> covered(steps.size());
    std::uint64_t previous_end = 0;
    for (const DeltaSpan& span : spans) {
      ASSERT_GE(span.position, previous_end);
      previous_end = span.position + span.length;
      ASSERT_LE(previous_end, text.size());
      covered[span.step] += text.substr(span.position, span.length);
    }
    for (const DeltaSpan& span : asked) {
      const bool formats = steps[span.step].kind == StepKind::kRetain;
      std::string expected;
      for (std::uint64_t i = span.position; i < span.position + span.length; ++i) {
        if (formats && i == begin && i > span.position && deleted == 0) expected += inserted;
        if (i < begin || i >= begin + deleted) expected += before[i];
        const bool goes_on = i + 1 == begin + deleted && i + 1 < span.position + span.length;
        if (formats && deleted > 0 && goes_on && begin > span.position) expected += inserted;
      }
      EXPECT_EQ(covered[span.step], expected) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace coterie::state
