// Updates that no editor would make: every one is well-formed, so that it enters the log, and says
// what cannot be. Whatever becomes of the document, all machines must make the same of it, and none
// may stop.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "crdt/doc.h"
#include "crdt/lib0.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

struct Place {
  std::uint64_t client = 0;
  std::uint64_t clock = 0;
};

// The bytes of one struct.
class Struct {
 public:
  static constexpr std::uint8_t kString = 4;
  static constexpr std::uint8_t kFormat = 6;
  static constexpr std::uint8_t kType = 7;
  static constexpr std::uint8_t kAny = 8;

  Struct& Between(const Place* left, const Place* right) {
    left_ = left;
    right_ = right;
    return *this;
  }
  Struct& InRoot(std::string root, std::string key = {}) {
    root_ = std::move(root);
    key_ = std::move(key);
    return *this;
  }
  Struct& In(const Place* type) {
    parent_ = type;
    return *this;
  }
  std::string Of(std::uint8_t content, std::string_view payload) const {
    crdt::Lib0Writer writer;
    const bool has_parent = left_ == nullptr && right_ == nullptr;
    writer.U8(static_cast<std::uint8_t>(content | (left_ != nullptr ? 0x80 : 0) |
                                        (right_ != nullptr ? 0x40 : 0) |
                                        (has_parent && !key_.empty() ? 0x20 : 0)));
    if (left_ != nullptr) Put(*left_, writer);
    if (right_ != nullptr) Put(*right_, writer);
    if (has_parent) {
      writer.VarUint(parent_ == nullptr ? 1 : 0);
      parent_ == nullptr ? writer.VarBytes(root_) : Put(*parent_, writer);
      if (!key_.empty()) writer.VarBytes(key_);
    }
    writer.Raw(payload);
    return writer.Take();
  }
  std::string OfText(std::string_view text) const {
    crdt::Lib0Writer payload;
    payload.VarBytes(text);
    return Of(kString, payload.view());
  }

 private:
  static void Put(const Place& place, crdt::Lib0Writer& writer) {
    writer.VarUint(place.client);
    writer.VarUint(place.clock);
  }
  const Place* left_ = nullptr;
  const Place* right_ = nullptr;
  const Place* parent_ = nullptr;
  std::string root_ = "text";
  std::string key_;
};

// An update of some structs of one client, which begin at `at`, and one deletion at most.
std::string UpdateOf(const Place& at, const std::vector<std::string>& structs,
                     const std::vector<std::pair<Place, std::uint64_t>>& deleted = {}) {
  crdt::Lib0Writer writer;
  writer.VarUint(structs.empty() ? 0 : 1);
  if (!structs.empty()) {
    writer.VarUint(structs.size());
    writer.VarUint(at.client);
    writer.VarUint(at.clock);
    for (const std::string& bytes : structs) writer.Raw(bytes);
  }
  writer.VarUint(deleted.size());
  for (const auto& [place, length] : deleted) {
    writer.VarUint(place.client);
    writer.VarUint(1);
    writer.VarUint(place.clock);
    writer.VarUint(length);
  }
  return writer.Take();
}

class HostileTest : public MachineTest {
 protected:
  HostileTest() {
    ann_ = LoginAs("ann");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  void Send(const std::string& update) { Ok(ann_, ApplyUpdate{.doc = doc_, .update = update}); }
  void Send(const Place& at, const std::string& bytes) { Send(UpdateOf(at, {bytes})); }
  // What a node has that was there all the time, and one that has just been started.
  void ExpectTheSameAfterRestart() {
    const std::string text = TextOf(doc_);
    const std::string state = *machine_->UpdateAt(doc_, Revision(), {});
    Restart();
    EXPECT_EQ(TextOf(doc_), text);
    EXPECT_EQ(*machine_->UpdateAt(doc_, Revision(), {}), state);
  }

  SessionId ann_;
  DocId doc_;
};

// It cut a character of others in half without leaving a trace in what is stored; the next edit by
// position stopped every node.
TEST_F(HostileTest, WhatIsKnownAlreadyCutsNoCharacter) {
  Send({.client = 9}, Struct().OfText("\U0001F600"));
  const Place end{.client = 9, .clock = 1};
  Send({.client = 5}, Struct().Between(&end, nullptr).OfText("x"));
  const Place middle{.client = 9, .clock = 0};
  Send({.client = 5}, Struct().Between(&middle, nullptr).OfText("x"));
  EXPECT_EQ(TextOf(doc_), "\U0001F600x");
  Ok(ann_, Append{.doc = doc_, .text = "y"});
  EXPECT_EQ(TextOf(doc_), "\U0001F600xy");
  ExpectTheSameAfterRestart();
}

// Its right neighbour is garbage, so that it becomes garbage; the left one was cut for it all the
// same.
TEST_F(HostileTest, WhatBecomesGarbageCutsTheSameEverywhere) {
  Send({.client = 9}, Struct().OfText("\U0001F600z"));
  const Place list{.client = 7, .clock = 0};
  Send(UpdateOf(list, {Struct().InRoot("list").Of(Struct::kType, std::string(1, '\0')),
                       Struct().In(&list).Of(Struct::kAny, "\x01\x78")}));
  Send(UpdateOf({}, {}, {{list, 1}}));
  const Place middle{.client = 9, .clock = 0};
  const Place garbage{.client = 7, .clock = 1};
  Send({.client = 5}, Struct().Between(&middle, &garbage).OfText("x"));
  Ok(ann_, Append{.doc = doc_, .text = "y"});
  ExpectTheSameAfterRestart();
}

// Yjs deletes letters, embeds and types from a formatted text, and goes past anything else.
TEST_F(HostileTest, ValuesInAFormattedTextAreNotTakenForLetters) {
  crdt::Doc editor({.garbage = crdt::Garbage::kCollect});
  crdt::Text text(editor, editor.Root("text"));
  crdt::Transaction transaction(editor, crdt::Client(9));
  text.Insert(transaction, 0, "abcdef");
  text.Format(transaction, 0, 1, {{"bold", "true"}});
  Send(transaction.Commit().update);
  const Place b{.client = 9, .clock = 1};
  const Place c{.client = 9, .clock = 2};
  Send({.client = 7}, Struct().Between(&b, &c).Of(Struct::kAny, "\x03\x78\x78\x78"));
  Ok(ann_, Edit{.doc = doc_, .splices = {{1, 5, ""}, {9, 0, "Z"}}});
  EXPECT_EQ(TextOf(doc_), "adefZ");
  ExpectTheSameAfterRestart();
}

// Structs with one origin and other right origins each: every one is looked for among all before
// it. A single such update could keep every node busy for minutes.
TEST_F(HostileTest, WhatTakesTooLongToFindIsRefusedAndLeavesNothing) {
  constexpr std::uint64_t kStructs = 20'000;
  Send({.client = 9}, Struct().OfText(std::string(kStructs + 1, '.')));
  const auto structs = [](std::uint64_t first, std::uint64_t end) {
    std::vector<std::string> made;
    const Place left{.client = 9, .clock = 0};
    for (std::uint64_t i = first; i < end; ++i) {
      const Place right{.client = 9, .clock = i + 1};
      made.push_back(Struct().Between(&left, &right).OfText("x"));
    }
    return made;
  };
  const std::string text = TextOf(doc_);
  const std::string state = *machine_->UpdateAt(doc_, Revision(), {});
  const std::string all = UpdateOf({.client = 5}, structs(0, kStructs));
  EXPECT_EQ(CodeOf(ann_, ApplyUpdate{.doc = doc_, .update = all}), Code::kTooMuchWork);
  EXPECT_EQ(TextOf(doc_), text);
  EXPECT_EQ(*machine_->UpdateAt(doc_, Revision(), {}), state);

  // What is sent in parts is taken until all of it together would take too long to load.
  std::uint64_t taken = 0;
  constexpr std::uint64_t kPart = 1'000;
  while (taken < kStructs) {
    const std::string part = UpdateOf({.client = 5, .clock = taken}, structs(taken, taken + kPart));
    if (CodeOf(ann_, ApplyUpdate{.doc = doc_, .update = part}) != Code::kOk) break;
    taken += kPart;
  }
  EXPECT_GT(taken, 1'000u);
  EXPECT_LT(taken, kStructs);
  // Whatever has no such places is taken all the same.
  Ok(ann_, Append{.doc = doc_, .text = "y"});
  EXPECT_EQ(TextOf(doc_).size(), kStructs + 1 + taken + 1);
  ExpectTheSameAfterRestart();
}

// A content that reads differently from its own encoding has no checkpoints. It had no limit
// either: what was not counted any more made a text too long for any node to go on.
TEST_F(HostileTest, WhatContradictsItselfIsLimited) {
  const Place a{.client = 2, .clock = 0};
  const Place c{.client = 1, .clock = 0};
  Send(a, Struct().OfText("a"));
  Send({.client = 2, .clock = 1}, Struct().Between(&a, nullptr).OfText("b"));
  Send(c, Struct().Between(&a, &a).OfText("c"));
  Send({.client = 4}, Struct().Between(nullptr, &c).OfText("d"));
  crdt::Doc reader({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(reader.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
  ASSERT_NE(crdt::Text(reader, reader.Root("text")).ToString(), TextOf(doc_));

  const std::string much(kUpdateBytesMax - 100, 'x');
  Code code = Code::kOk;
  for (std::uint64_t client = 10; client < 100 && code == Code::kOk; ++client) {
    payloads_.clear();
    const std::string update = UpdateOf({.client = client}, {Struct().OfText(much)});
    code = CodeOf(ann_, ApplyUpdate{.doc = doc_, .update = update});
  }
  EXPECT_EQ(code, Code::kExhausted);
  EXPECT_LE(machine_->FindDocument(doc_)->size_bytes, kTextBytesMax);

  const std::string more(3 << 20, 'y');
  code = Code::kOk;
  for (int i = 0; i < 60 && code == Code::kOk; ++i) {
    payloads_.clear();
    code = CodeOf(ann_, Edit{.doc = doc_, .splices = {{0, more.size(), more}}});
  }
  EXPECT_EQ(code, Code::kExhausted);
  ExpectTheSameAfterRestart();
}

// Structs at random, of which nothing is right but the form: neighbours of any root and in any
// order, ids that were used, parents that are no types, half characters.
class RandomStructs {
 public:
  // `writer`: who writes for the machine, of whom others may speak; 0 = nobody does.
  RandomStructs(std::uint64_t seed, std::uint64_t writer) : prng_(seed), writer_(writer) {}

  std::string NextUpdate() {
    const std::uint64_t client = prng_.Between(1, 5);
    Place at{.client = client, .clock = next_[client]};
    if (at.clock > 0 && prng_.Chance(1, 6)) at.clock = prng_.Below(at.clock);
    if (prng_.Chance(1, 10)) at.clock += prng_.Between(1, 3);
    std::vector<std::string> structs;
    std::uint64_t clock = at.clock;
    for (std::uint64_t i = prng_.Between(1, 3); i > 0; --i) {
      structs.push_back(NextStruct({.client = client, .clock = clock}, clock));
    }
    next_[client] = std::max(next_[client], clock);
    std::vector<std::pair<Place, std::uint64_t>> deleted;
    if (prng_.Chance(1, 3)) deleted.push_back({AnyPlace(), prng_.Between(1, 3)});
    if (prng_.Chance(1, 8)) structs.clear();
    if (structs.empty() && deleted.empty()) deleted.push_back({AnyPlace(), 1});
    return UpdateOf(at, structs, deleted);
  }

 private:
  Place AnyPlace() {
    if (writer_ != 0 && prng_.Chance(1, 12)) {
      return {.client = writer_, .clock = prng_.Below(prng_.Chance(1, 4) ? 200'000 : 20)};
    }
    const std::uint64_t client = prng_.Between(1, 5);
    return {.client = client, .clock = prng_.Below(next_[client] + 2)};
  }
  // What the struct at `at` can know: nothing of its own client behind it.
  Place KnownPlace(const Place& at) {
    Place place = AnyPlace();
    while (place.client == at.client && place.clock >= at.clock) {
      if (at.clock > 0) return {.client = at.client, .clock = prng_.Below(at.clock)};
      place = AnyPlace();
    }
    return place;
  }

  std::string NextStruct(const Place& at, std::uint64_t& clock) {
    const Place left = KnownPlace(at);
    const Place right = KnownPlace(at);
    Struct made;
    made.Between(prng_.Chance(3, 4) ? &left : nullptr, prng_.Chance(3, 4) ? &right : nullptr);
    made.InRoot(prng_.Chance(3, 4) ? "text" : "other", prng_.Chance(1, 6) ? "key" : "");
    if (prng_.Chance(1, 4)) made.In(&left);
    ++clock;
    switch (prng_.Below(8)) {
      case 0:
        return made.Of(Struct::kType, std::string(1, static_cast<char>(prng_.Below(3))));
      case 1:
        ++clock;
        return made.Of(Struct::kAny, "\x02\x78\x79");
      case 2:
        return made.Of(Struct::kFormat,
                       std::string("\x01\x62") + (prng_.Chance(1, 2) ? "\x04true" : "\x04null"));
      case 3:
      case 4:
        clock += 2;
        return made.OfText("\U0001F600a");
      default:
        return made.OfText(std::string(1, static_cast<char>('a' + prng_.Below(26))));
    }
  }

  Prng prng_;
  const std::uint64_t writer_;
  std::uint64_t next_[6] = {};
};

// Enough for a checkpoint, and most of it deleted again.
std::vector<CommandBody> MuchThatGoes(const Machine& machine, DocId doc) {
  constexpr std::uint64_t kMuch = 40'000;
  const std::uint64_t size =
      MeasureUtf8(machine.TextAt(doc, Revision()).value_or("")).code_points + kMuch;
  return {Append{.doc = doc, .text = std::string(kMuch, 'x')},
          Edit{.doc = doc,
               .unit = PositionUnit::kCodePoint,
               .splices = {{size - kMuch, kMuch - 10, ""}}}};
}

// Whoever wrote in the document first.
std::uint64_t FirstWriterOf(const Machine& machine, DocId doc) {
  crdt::Doc copy({.garbage = crdt::Garbage::kCollect});
  EXPECT_FALSE(copy.Apply(*machine.UpdateAt(doc, Revision(), {})));
  const crdt::StateVector clocks = copy.state_vector();
  return clocks.clocks().at(0).first.value();
}

std::string AnyLetters(Prng& prng) {
  constexpr const char* kLetters[] = {"a", "zz", "\U0001F600", "\u5b57\u5b57", " b ", "\n", ""};
  return kLetters[prng.Below(std::size(kLetters))];
}

std::vector<DeltaStep> AnyDelta(Prng& prng) {
  const std::vector<std::pair<std::string, std::string>> marks[] = {
      {}, {{"b", "true"}}, {{"b", "null"}}, {{"i", "{\"k\":1}"}, {"b", "\"x\""}}};
  std::vector<DeltaStep> steps;
  for (std::uint64_t i = prng.Between(1, 4); i > 0; --i) {
    const auto& attributes = marks[prng.Below(std::size(marks))];
    switch (prng.Below(4)) {
      case 0:
        steps.push_back({.kind = StepKind::kInsert, .text = "d", .attributes = attributes});
        break;
      case 1:
        steps.push_back({.kind = StepKind::kEmbed, .text = "{\"image\":1}"});
        break;
      case 2:
        steps.push_back({.kind = StepKind::kDelete, .length = prng.Between(1, 2)});
        break;
      default:
        steps.push_back(
            {.kind = StepKind::kRetain, .length = prng.Between(1, 3), .attributes = attributes});
    }
  }
  return steps;
}

// What people and programs do with the document meanwhile, some of it in vain.
class Others {
 public:
  using Apply = std::function<Outcome(CommandBody)>;
  Others(const Machine& machine, DocId doc, std::uint64_t seed, Apply apply)
      : machine_(machine), doc_(doc), prng_(seed), apply_(std::move(apply)) {}

  void DoSomething(RandomStructs& structs) {
    switch (prng_.Below(6)) {
      case 0:
        apply_(EditDelta{.doc = doc_, .steps = AnyDelta(prng_)});
        break;
      case 1:
        Locked([&](FencingToken token) {
          apply_(Write{.doc = doc_, .token = token, .text = Altered()});
        });
        break;
      case 2:
        Locked([&](FencingToken token) {
          apply_(Restore{.doc = doc_, .token = token, .version = AnyVersion()});
        });
        break;
      case 3: {
        const Revision batch =
            apply_(AddSuggestions{.doc = doc_,
                                  .author = "AI",
                                  .changes = {{.position = prng_.Below(6), .after = "s"}}})
                .revision;
        apply_(ResolveSuggestions{.doc = doc_, .batch = batch});
        break;
      }
      case 4:
        apply_(SaveDraft{.doc = doc_, .update = structs.NextUpdate()});
        apply_(MergeDraft{.doc = doc_, .user = "ann"});
        break;
      default:
        apply_(Edit{.doc = doc_,
                    .base = AnyVersion(),
                    .unit = PositionUnit::kUtf16,
                    .splices = {{prng_.Below(6), prng_.Below(3), AnyLetters(prng_)}}});
    }
  }

 private:
  void Locked(const std::function<void(FencingToken)>& change) {
    const FencingToken token = apply_(Lock{.doc = doc_, .ttl_ms = 1'000'000}).token;
    change(token);
    apply_(Unlock{.doc = doc_, .token = token});
  }
  Revision AnyVersion() {
    const auto versions = machine_.Versions(doc_);
    return versions[prng_.Below(versions.size())].revision;
  }
  // The text, with something else somewhere.
  std::string Altered() {
    std::string text = machine_.TextAt(doc_, Revision()).value_or("");
    std::size_t at = prng_.Below(text.size() + 1);
    while (at > 0 && at < text.size() && (text[at] & 0xc0) == 0x80) --at;
    return text.substr(0, at) + AnyLetters(prng_) + (prng_.Chance(1, 2) ? text.substr(at) : "");
  }

  const Machine& machine_;
  const DocId doc_;
  Prng prng_;
  const Apply apply_;
};

class Hostile : public testing::TestWithParam<bool> {};

// One machine is never restarted and has all in memory, one loads the document for every command.
TEST_P(Hostile, AllMachinesMakeTheSameOfIt) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    MemoryKv kv[2];
    Machine hot(kv[0], {});
    Machine cold(kv[1], {.content_cache_bytes_max = 0});
    const auto apply = [&](SessionId session, CommandBody body) {
      const std::string payload = StampCommand(
          {.time_ms = 1}, EncodeCommand({.session = session, .body = std::move(body)}));
      const Index index = hot.applied().index.Next();
      const Outcome outcome = *hot.ApplyCommand(Term(1), index, payload).outcome;
      EXPECT_TRUE(cold.ApplyCommand(Term(1), index, payload).outcome.has_value());
      hot.Commit();
      cold.Commit();
      return outcome;
    };
    const SessionId ann = apply({}, Login{.user = "ann",
                                          .verified_hash = "hash",
                                          .create_user = true,
                                          .token_hash = std::string(32, 't'),
                                          .lifetime_ms = 1'000'000})
                              .session;
    const DocId doc = apply(ann, CreateDocument{.name = "notes"}).doc;
    const DocId other = apply(ann, CreateDocument{.name = "other"}).doc;
    apply(ann, Append{.doc = doc, .text = "first"});
    RandomStructs structs(seed, GetParam() ? FirstWriterOf(hot, doc) : 0);
    Prng prng(seed);
    Others others(hot, doc, seed, [&](CommandBody body) { return apply(ann, std::move(body)); });
    int accepted = 0;
    std::uint64_t sequence = 0;
    for (int step = 0; step < 150; ++step) {
      if (prng.Chance(1, 2)) {
        accepted +=
            apply(ann, ApplyUpdate{.doc = doc, .update = structs.NextUpdate()}).ok() ? 1 : 0;
      } else {
        ApplyUpdates joint{.doc = doc};
        const std::uint64_t parts = prng.Between(2, 4);
        for (std::uint64_t part = 1; part <= parts; ++part) {
          joint.parts.push_back({.session = ann,
                                 .request = {.client = ClientId(part), .sequence = ++sequence},
                                 .update = structs.NextUpdate()});
        }
        const Outcome outcome = apply({}, std::move(joint));
        EXPECT_EQ(outcome.parts.size(), parts);
        accepted += std::ranges::all_of(outcome.parts, &Outcome::ok) ? 1 : 0;
      }
      // Takes the only place there is.
      if (prng.Chance(1, 3)) {
        EXPECT_TRUE(cold.TextAt(other, Revision()).has_value());
      }
      if (prng.Chance(1, 5)) {
        apply(ann, Edit{.doc = doc,
                        .unit = PositionUnit::kCodePoint,
                        .splices = {{prng.Below(4), prng.Below(3), "m"}}});
      }
      if (GetParam() && prng.Chance(1, 3)) others.DoSomething(structs);
      if (prng.Chance(1, 40)) {
        for (CommandBody& command : MuchThatGoes(hot, doc)) apply(ann, std::move(command));
      }
      ASSERT_EQ(hot.digest(), cold.digest()) << "seed " << seed << " step " << step;
    }
    if (GetParam()) {
      EXPECT_GT(accepted, 30);
      EXPECT_LT(accepted, 150);  // Some spoke of what was not written.
    } else {
      EXPECT_EQ(accepted, 150);
    }
    hot.CheckInvariantsDeep();
  }
}

INSTANTIATE_TEST_SUITE_P(OfEditorsAloneOrOfTheMachinesWriterToo, Hostile, testing::Bool());

}  // namespace
}  // namespace coterie::state
