// Texts with embeds in them: a position means the same place as in Yjs, where an embed is one unit,
// and so it does once others have changed the text, in whatever way.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/delta_json.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

constexpr std::string_view kImage = R"({"image":1})";

// What takes a place in a text: a code point, or an embed.
struct Unit {
  std::string text;  // Of an embed, its JSON.
  bool is_embed = false;
  bool is_deleted = false;
};

std::vector<Unit> UnitsOf(std::string_view text) {
  std::vector<Unit> units;
  while (!text.empty()) {
    const std::size_t size = CodePointLength(text);
    units.push_back({.text = std::string(text.substr(0, size))});
    text.remove_prefix(size);
  }
  return units;
}

// The naive model: everything that ever was in the text, in order, and what each version showed.
class UnitModel {
 public:
  using Version = std::vector<Unit*>;
  struct Edit {
    std::size_t begin = 0;  // Numbers of units in a version.
    std::size_t deleted = 0;
    std::vector<Unit> inserted;
  };

  Version Live() {
    Version live;
    for (Unit* unit : order_) {
      if (!unit->is_deleted) live.push_back(unit);
    }
    return live;
  }

  // Ascending edits that mean `base`.
  void Apply(const Version& base, const std::vector<Edit>& edits) {
    std::vector<std::size_t> begins;
    for (const Edit& edit : edits) {
      begins.push_back(LiveBefore(edit.begin < base.size() ? base[edit.begin] : nullptr));
    }
    std::size_t inserted = 0;
    std::size_t deleted = 0;
    for (std::size_t i = 0; i < edits.size(); ++i) {
      const std::size_t place = begins[i] + inserted - deleted;
      for (std::size_t unit = 0; unit < edits[i].deleted; ++unit) {
        Unit* const gone = base[edits[i].begin + unit];
        deleted += gone->is_deleted ? 0 : 1;
        gone->is_deleted = true;
      }
      Insert(place, edits[i].inserted);
      inserted += edits[i].inserted.size();
    }
  }

  // A change of the letters alone; embeds before its place stay before it.
  void Apply(const TextChange& change) {
    const Version live = Live();
    std::size_t at = 0;
    std::uint64_t bytes = 0;
    while (at < live.size() && (live[at]->is_embed || bytes < change.position_bytes)) {
      bytes += live[at]->is_embed ? 0 : live[at]->text.size();
      ++at;
    }
    ASSERT_EQ(bytes, change.position_bytes);
    const std::vector<Unit> deleted = UnitsOf(change.deleted);
    for (std::size_t i = 0; i < deleted.size(); ++i) {
      ASSERT_LT(at + i, live.size());
      ASSERT_FALSE(live[at + i]->is_embed);
      ASSERT_EQ(live[at + i]->text, deleted[i].text);
    }
    Apply(live, {{.begin = at, .deleted = deleted.size(), .inserted = UnitsOf(change.inserted)}});
  }

 private:
  std::size_t LiveBefore(const Unit* end) const {
    std::size_t live = 0;
    for (const Unit* unit : order_) {
      if (unit == end) break;
      live += unit->is_deleted ? 0 : 1;
    }
    return live;
  }
  // Right behind the live unit to the left.
  void Insert(std::size_t place, const std::vector<Unit>& units) {
    std::size_t at = 0;
    for (std::size_t live = 0; live < place; ++at) live += order_[at]->is_deleted ? 0 : 1;
    for (const Unit& unit : units) {
      units_.push_back(unit);
      order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(at++), &units_.back());
    }
  }

  std::deque<Unit> units_;
  std::vector<Unit*> order_;
};

// The letters, and "@" for each embed.
std::string Shown(const UnitModel::Version& version) {
  std::string shown;
  for (const Unit* unit : version) shown += unit->is_embed ? "@" : unit->text;
  return shown;
}

class EmbedsTest : public MachineTest {
 protected:
  EmbedsTest() {
    ann_ = LoginAs("ann");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
    token_ = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  }
  EditDelta DeltaOf(const std::string& json, Revision base = {}) {
    ParsedDelta parsed = ParseDeltaJson(json);
    EXPECT_EQ(parsed.why_not, "");
    return {.doc = doc_, .token = token_, .base = base, .steps = std::move(parsed.steps)};
  }
  Revision Edited(const std::string& json, Revision base = {}) {
    return Ok(ann_, DeltaOf(json, base)).revision;
  }
  Revision Edited(std::vector<Splice> splices, Revision base = {}) {
    return Ok(ann_,
              state::Edit{
                  .doc = doc_, .token = token_, .base = base, .splices = std::move(splices)})
        .revision;
  }
  Revision Written(const std::string& text) {
    return Ok(ann_, state::Write{.doc = doc_, .token = token_, .text = text}).revision;
  }
  // The letters, and "@" for each embed, as an editor would read them.
  std::string Shown() {
    crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
    EXPECT_FALSE(doc.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
    std::string shown;
    for (const crdt::DeltaOp& op : crdt::Text(doc, doc.Root("text")).ToDelta()) {
      shown += op.kind == crdt::DeltaOp::Kind::kText ? op.text : "@";
    }
    return shown;
  }

  SessionId ann_;
  DocId doc_;
  FencingToken token_;
};

TEST_F(EmbedsTest, WhatIsInsertedBeforeAnEmbedStandsBeforeIt) {
  const Revision base = Edited(R"([{"insert":{"image":1}},{"insert":"ab"}])");
  Edited({{0, 0, "Title: "}});
  EXPECT_EQ(Shown(), "Title: @ab");
  Edited(R"([{"delete":1}])", base);
  EXPECT_EQ(Shown(), "Title: ab");
}

TEST_F(EmbedsTest, DeletingGoesOverThemAsInYjs) {
  Edited(R"([{"insert":"ab"},{"insert":{"i":1}},{"insert":{"i":2}},{"insert":"cd"}])");
  const Revision base = Edited({{1, 2, "X"}});
  EXPECT_EQ(Shown(), "aX@cd");
  Edited({{2, 1, ""}});
  EXPECT_EQ(Shown(), "aXcd");
  Edited({{3, 1, "C"}}, base);
  EXPECT_EQ(Shown(), "aXCd");
}

TEST_F(EmbedsTest, AWriteCountsThemForWhoKnowsTheTextBefore) {
  const Revision base =
      Edited(R"([{"insert":{"i":1}},{"insert":{"i":2}},{"insert":"one two three"}])");
  Written("one 2 three");
  EXPECT_EQ(Shown(), "@@one 2 three");
  Edited({{2, 1, "O"}, {4, 1, "E"}, {10, 1, "T"}}, base);
  EXPECT_EQ(Shown(), "@@OnE 2 Three");
}

TEST_F(EmbedsTest, AWriteLeavesThemWhereTheLettersAroundThemGo) {
  const Revision base = Edited(R"([{"insert":"ab"},{"insert":{"i":1}},{"insert":"cd"}])");
  Written("aXd");
  EXPECT_EQ(Shown(), "aX@d");
  Edited(R"([{"retain":2},{"delete":1},{"retain":1},{"insert":"!"}])", base);
  EXPECT_EQ(Shown(), "aX!d");
}

TEST_F(EmbedsTest, SuggestionsOnBothSidesOfOneAreAcceptedInTheirOrder) {
  Edited(R"([{"insert":"a"},{"insert":{"i":1}},{"insert":"b"}])");
  // The one on the right came first.
  Ok(ann_, AddSuggestions{.doc = doc_, .changes = {{.position = 2, .before = "b", .after = "BB"}}});
  const Revision first = machine_->applied().index;
  Ok(ann_, AddSuggestions{.doc = doc_, .changes = {{.position = 1, .after = "long"}}});
  const Revision second = machine_->applied().index;
  Ok(ann_, ResolveSuggestions{
               .doc = doc_, .token = token_, .batch = second, .resolution = Resolution::kAccepted});
  EXPECT_EQ(Shown(), "along@b");
  Ok(ann_, ResolveSuggestions{
               .doc = doc_, .token = token_, .batch = first, .resolution = Resolution::kAccepted});
  EXPECT_EQ(Shown(), "along@BB");
}

TEST_F(EmbedsTest, SuggestionsOfOneBatchStandWhereTheyWereMeant) {
  Edited(R"([{"insert":{"i":1}},{"insert":{"i":2}},{"insert":"z"}])");
  Ok(ann_, AddSuggestions{.doc = doc_,
                          .changes = {{.position = 0, .after = "a"},
                                      {.position = 1, .after = "b"},
                                      {.position = 2, .after = "c"}}});
  Ok(ann_, ResolveSuggestions{.doc = doc_,
                              .token = token_,
                              .batch = machine_->applied().index,
                              .resolution = Resolution::kAccepted});
  EXPECT_EQ(Shown(), "a@b@cz");
}

// Random edits of random versions against the model, whatever is between the letters.
class RandomEmbeds : public EmbedsTest {
 protected:
  struct Asked {
    std::vector<UnitModel::Edit> edits;
    std::vector<Splice> splices;
    std::vector<DeltaStep> steps;
  };

  std::string AnyText(std::uint64_t size_max) {
    static const std::vector<std::string> kLetters = {
        "a", "b", " ", "\n", "é", "漢", "字", "か", "ไ", "한", "\U0001F600", "\U00020BB7"};
    std::string text;
    for (std::uint64_t size = prng_.Below(size_max + 1); size > 0; --size) {
      text += kLetters[prng_.Below(kLetters.size())];
    }
    return text;
  }

  static std::uint64_t WidthOf(const UnitModel::Version& version, std::size_t begin,
                               std::size_t end, PositionUnit unit) {
    std::uint64_t width = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const bool is_one = unit == PositionUnit::kCodePoint || version[i]->is_embed;
      width += is_one ? 1 : Utf16Length(version[i]->text);
    }
    return width;
  }

  Asked AnyEdits(const UnitModel::Version& base, PositionUnit unit, bool as_delta) {
    Asked asked;
    std::size_t done = 0;
    for (std::uint64_t count = prng_.Between(1, 4); count > 0; --count) {
      UnitModel::Edit edit{.begin = prng_.Between(done, base.size())};
      edit.deleted = std::min<std::size_t>(prng_.Below(4), base.size() - edit.begin);
      const std::uint64_t before = WidthOf(base, 0, edit.begin, unit);
      const std::uint64_t deleted = WidthOf(base, edit.begin, edit.begin + edit.deleted, unit);
      std::string text = AnyText(3);
      edit.inserted = UnitsOf(text);
      const bool is_embed = as_delta && prng_.Chance(1, 2);
      if (is_embed) edit.inserted = {{.text = std::string(kImage), .is_embed = true}};
      if (edit.begin > done) {
        asked.steps.push_back({.length = before - WidthOf(base, 0, done, unit)});
      }
      if (is_embed) {
        asked.steps.push_back({.kind = StepKind::kEmbed, .text = std::string(kImage)});
      } else if (!text.empty()) {
        asked.steps.push_back({.kind = StepKind::kInsert, .text = text});
      }
      if (deleted > 0) asked.steps.push_back({.kind = StepKind::kDelete, .length = deleted});
      asked.splices.push_back({before, deleted, std::move(text)});
      done = edit.begin + edit.deleted;
      asked.edits.push_back(std::move(edit));
    }
    return asked;
  }

  void EditAtSomeBase() {
    auto chosen = versions_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(prng_.Below(versions_.size())));
    const PositionUnit unit = prng_.Chance(1, 2) ? PositionUnit::kUtf16 : PositionUnit::kCodePoint;
    const bool as_delta = prng_.Chance(1, 2);
    Asked asked = AnyEdits(chosen->second, unit, as_delta);
    if (as_delta) {
      if (asked.steps.empty()) return;
      Ok(ann_, EditDelta{.doc = doc_,
                         .token = token_,
                         .base = chosen->first,
                         .unit = unit,
                         .steps = std::move(asked.steps)});
    } else {
      Ok(ann_, state::Edit{.doc = doc_,
                           .token = token_,
                           .base = chosen->first,
                           .unit = unit,
                           .splices = std::move(asked.splices)});
    }
    model_.Apply(chosen->second, asked.edits);
  }

  void WriteSomething() {
    std::string target;
    for (const Unit& unit : UnitsOf(TextOf(doc_))) {
      if (prng_.Chance(1, 8)) target += AnyText(4);
      if (!prng_.Chance(1, 6)) target += unit.text;
    }
    if (prng_.Chance(1, 10)) target = AnyText(10);
    for (const Event& event :
         EventsOf(ann_, state::Write{.doc = doc_, .token = token_, .text = target})) {
      for (const TextChange& change : std::get<DocumentChanged>(event.body).changes) {
        model_.Apply(change);
      }
    }
    ASSERT_EQ(TextOf(doc_), target);
  }

  void Round(std::uint64_t seed) {
    prng_ = Prng(seed);
    doc_ = Ok(ann_, CreateDocument{.name = "doc" + std::to_string(seed)}).doc;
    token_ = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 1'000'000}).token;
    model_ = {};
    versions_ = {{machine_->applied().index, {}}};
    for (int step = 0; step < 30; ++step) {
      if (prng_.Chance(1, 4)) {
        WriteSomething();
      } else {
        EditAtSomeBase();
      }
      if (prng_.Chance(1, 20)) Restart();
      const UnitModel::Version live = model_.Live();
      ASSERT_EQ(Shown(), state::Shown(live)) << "step " << step;
      versions_[machine_->applied().index] = live;
      if (versions_.size() > 6) versions_.erase(versions_.begin());
    }
  }

  Prng prng_{0};
  UnitModel model_;
  std::map<Revision, UnitModel::Version> versions_;  // The last few.
};

TEST_F(RandomEmbeds, PositionsOfAnyVersionMeanWhatAModelOfUnitsSays) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(Round(seed));
  }
}

}  // namespace
}  // namespace coterie::state
