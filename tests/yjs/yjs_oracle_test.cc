// What the real Yjs is asked beside the random scenarios of yjs_fuzz.cc: whether it reads what the
// document machine writes for deltas, whether it sees what a document was once that is restored,
// and whether the documents that the yjs package itself is tested with look to our engine as they
// do to Yjs.

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "crdt/doc.h"
#include "crdt/restore.h"
#include "crdt/transaction.h"
#include "state/delta_json.h"
#include "state/test_machine.h"
#include "tests/yjs/engine_world.h"
#include "tests/yjs/oracle_process.h"
#include "tests/yjs/scenario.h"

namespace coterie::tests {
namespace {

class Oracle {
 public:
  // The answers to some commands.
  Json Ask(const Json& commands) {
    process_.Send(commands.dump());
    return Json::parse(process_.Receive());
  }

 private:
  OracleProcess process_{COTERIE_YJS_FOLDER};
};

std::string Base64(const std::string& bytes) { return absl::Base64Escape(bytes); }

// --- Deltas ---

class RandomDelta {
 public:
  explicit RandomDelta(std::uint64_t seed) : prng_(seed) {}

  // Over a text of so many units, none of which are halves of pairs. `length` becomes the new one.
  Json Next(std::uint64_t& length) {
    Json ops = Json::array();
    std::uint64_t left = length;
    const std::uint64_t count = prng_.Between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t dice = prng_.Below(6);
      const std::uint64_t size = left == 0 ? 0 : prng_.Between(1, std::min<std::uint64_t>(left, 9));
      if (dice < 3 || size == 0) {
        ops.push_back(Insert(length));
      } else {
        const bool deletes = dice == 3;
        Json op = {{deletes ? "delete" : "retain", size}};
        if (!deletes && prng_.Chance(1, 2)) op["attributes"] = Attributes(true);
        ops.push_back(std::move(op));
        left -= size;
        if (deletes) length -= size;
      }
    }
    return ops;
  }

 private:
  Json Insert(std::uint64_t& length) {
    Json op;
    if (prng_.Chance(1, 4)) {
      op["insert"] = Json{{"image", prng_.Below(9)}, {"of", {1, "a", nullptr}}};
      length += 1;
    } else {
      const std::uint64_t size = prng_.Between(1, 4);
      op["insert"] = std::string(size, static_cast<char>('a' + prng_.Below(26)));
      length += size;
    }
    if (prng_.Chance(1, 2)) op["attributes"] = Attributes(false);
    return op;
  }
  Json Attributes(bool may_end) {
    static const std::vector<Json> kValues = {true, 1.5, "x", Json{{"href", "y"}}, "€"};
    Json attributes = Json::object();
    for (const char* name : {"bold", "color", "link"}) {
      if (!prng_.Chance(1, 2)) continue;
      const bool ends = may_end && prng_.Chance(1, 3);
      attributes[name] = ends ? Json() : kValues[prng_.Below(kValues.size())];
    }
    return attributes;
  }

  Prng prng_;
};

class YjsReads : public state::MachineTest {};

TEST_F(YjsReads, TheMarksOfDeltasAsIfItHadAppliedThem) {
  Oracle oracle;
  const SessionId ann = LoginAs("ann");
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const DocId doc = Ok(ann, state::CreateDocument{.name = std::to_string(seed)}).doc;
    oracle.Ask({{"reset"},
                {"doc.new", 1, {{"client", 5}}},
                {"doc.new", 2, {{"client", 6}}},
                {"roots", 1, {"t:text"}},
                {"roots", 2, {"t:text"}}});
    RandomDelta deltas(seed);
    std::uint64_t length = 0;
    for (int i = 0; i < 40; ++i) {
      const Json delta = deltas.Next(length);
      state::ParsedDelta parsed = state::ParseDeltaJson(delta.dump());
      ASSERT_EQ(parsed.why_not, "");
      const auto events =
          EventsOf(ann, state::EditDelta{.doc = doc, .steps = std::move(parsed.steps)});
      const std::string update = events.empty()
                                     ? std::string("\0\0", 2)
                                     : std::get<state::DocumentChanged>(events.at(0).body).update;
      const Json answers = oracle.Ask({{"apply", 1, Base64(update), 1},
                                       {"edit", 2, {"text.delta", "t:text", delta}},
                                       {"view", 1},
                                       {"view", 2}});
      ASSERT_EQ(answers[2], answers[3]) << "seed " << seed << ", delta " << delta;
      ASSERT_EQ(machine_->FindDocument(doc)->size_bytes, machine_->TextAt(doc, {})->size());
    }
  }
}

// --- Restored versions ---

// What document 0 is after so many commands of the scenario.
std::string StateAfter(const Scenario& scenario, std::size_t commands) {
  EngineWorld world;
  for (std::size_t i = 0; i < commands; ++i) world.Perform(scenario.commands[i]);
  const Json state = world.Perform({"encode", 0, 1});
  std::string update;
  EXPECT_TRUE(absl::Base64Unescape(state.get<std::string>(), &update));
  return update;
}

// What makes the one document into the other.
std::string Restored(const std::string& update, const std::string& version) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  crdt::Doc target({.garbage = crdt::Garbage::kCollect});
  EXPECT_FALSE(doc.Apply(update));
  EXPECT_FALSE(target.Apply(version));
  crdt::Transaction transaction(doc, crdt::Client(77));
  for (const char* root : {"t", "a", "m", "x"}) {
    crdt::RestoreRoot(transaction, doc, target, root);
  }
  return transaction.Commit().update;
}

TEST(YjsSees, WhatADocumentWasOnceThatIsRestored) {
  Oracle oracle;
  const Json roots = {"t:t", "a:a", "m:m", "x:x"};
  int differed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Scenario scenario = DrawScenario(
        seed, {.commands = 60, .subject = std::nullopt, .has_object_attributes = true});
    const std::size_t commands = scenario.commands.size();
    const std::string version = StateAfter(scenario, commands / 2);
    const std::string later = StateAfter(scenario, commands);
    const std::string update = Restored(later, version);
    if (update.empty()) continue;
    const Json answers = oracle.Ask({{"reset"},
                                     {"doc.new", 1, {{"client", 5}}},
                                     {"doc.new", 2, {{"client", 6}}},
                                     {"roots", 1, roots},
                                     {"roots", 2, roots},
                                     {"apply", 1, Base64(version), 1},
                                     {"apply", 2, Base64(later), 1},
                                     {"contents", 2},
                                     {"apply", 2, Base64(update), 1},
                                     {"contents", 1},
                                     {"contents", 2}});
    ASSERT_EQ(answers[9], answers[10]) << "seed " << seed;
    if (answers[7] != answers[9]) ++differed;
  }
  EXPECT_GT(differed, 100);
}

// --- The package's own documents ---

struct OldDocument {
  std::string name;
  std::string update;  // Base64.
  std::string root;    // As the oracle names it: "a:array".
};

// Those of tests/compatibility.tests.js of yjs 13.4, the last version that had it in its package.
std::vector<OldDocument> OldDocuments() {
  std::ifstream file(std::string(COTERIE_YJS_FOLDER) +
                     "/node_modules/yjs-13.4/tests/compatibility.tests.js");
  EXPECT_TRUE(file.is_open()) << "run npm ci --prefix " << COTERIE_YJS_FOLDER;
  std::stringstream all;
  all << file.rdbuf();
  std::vector<OldDocument> documents;
  OldDocument document;
  for (std::string line; std::getline(all, line);) {
    // By hand: the lines are longer than std::regex can bear.
    static constexpr std::string_view kName = "export const ";
    static constexpr std::string_view kDoc = "  const oldDoc = '";
    if (line.starts_with(kName)) document.name = line.substr(kName.size(), line.find(' ', 13) - 13);
    if (line.starts_with(kDoc)) {
      document.update = line.substr(kDoc.size(), line.rfind('\'') - kDoc.size());
    }
    std::smatch match;
    const std::regex root("  t\\.compare\\(doc\\.get(Array|Map|Text)\\('([a-z]+)'\\).*");
    if (line.size() > 200 || !std::regex_match(line, match, root)) continue;
    document.root =
        std::string(1, static_cast<char>(match[1].str()[0] + 32)) + ":" + match[2].str();
    documents.push_back(std::exchange(document, {}));
  }
  return documents;
}

// Each under a root of its kind's letter, which is all that an EngineWorld can show: the name is
// written once in each of these documents, and nowhere else do these bytes stand.
std::string WithShortRoot(const std::string& base64, const std::string& root) {
  std::string update;
  EXPECT_TRUE(absl::Base64Unescape(base64, &update));
  const std::string name = root.substr(2);
  const std::string written = std::string(1, static_cast<char>(name.size())) + name;
  for (std::size_t at = update.find(written); at != std::string::npos; at = update.find(written)) {
    update.replace(at, written.size(), std::string("\x01") + root[0]);
  }
  return Base64(update);
}

TEST(YjsPackage, ItsCompatibilityDocumentsLoadAsInYjs) {
  Oracle oracle;
  const std::vector<OldDocument> documents = OldDocuments();
  ASSERT_EQ(documents.size(), 3u);
  for (const OldDocument& document : documents) {
    const std::string root = document.root.substr(0, 2) + document.root[0];
    const std::string short_root = WithShortRoot(document.update, document.root);
    for (const bool gc : {true, false}) {
      // As it is: bytes in both formats and the state vector. Then with what is seen of it.
      const Json commands = {{"doc.new", 0, {{"client", 5}, {"gc", gc}}},
                             {"roots", 0, {document.root}},
                             {"apply", 0, document.update, 1},
                             {"encode", 0, 1},
                             {"encode", 0, 2},
                             {"vector", 0},
                             {"doc.new", 1, {{"client", 6}, {"gc", gc}}},
                             {"roots", 1, {root}},
                             {"apply", 1, short_root, 1},
                             {"state", 1, 1},
                             {"state", 1, 2}};
      oracle.Ask({{"reset"}});
      const Json theirs = Plain(oracle.Ask(commands));
      EngineWorld engine;
      for (std::size_t i = 0; i < commands.size(); ++i) {
        const Json ours = engine.Perform(commands[i]);
        EXPECT_EQ(ours, theirs[i]) << document.name << ": " << commands[i][0];
      }
      EXPECT_FALSE(engine.HasPending()) << document.name;
      engine.CheckInvariants();
      ASSERT_TRUE(theirs[9].contains("view")) << theirs[9];
      EXPECT_GT(theirs[9]["view"].dump().size(), 40u) << document.name;
      EXPECT_GT(theirs[3].get<std::string>().size(), 1'000u) << document.name;
    }
  }
}

}  // namespace
}  // namespace coterie::tests
