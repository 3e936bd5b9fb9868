// What a document holds, by the `coterie` program on a real cluster: edits by delta, the doctor of
// a document in the cluster, and what a rich editor wrote.

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "tests/cluster_process.h"
#include "tests/shell.h"

namespace coterie::tests {
namespace {

constexpr int kNotFound = 3;

class ContentOfACluster : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(3);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    shell_.SetNodes(cluster_->client_addresses());
    ASSERT_EQ(Sh("coterie login ann"), 0) << shell_.output();
  }
  int Sh(const std::string& script) { return shell_.Run(script); }
  bool Says(const std::string& what) const { return shell_.Says(what); }

  std::unique_ptr<ClusterProcess> cluster_;
  Shell shell_{COTERIE_PROGRAM};
};

TEST_F(ContentOfACluster, IsEditedByDelta) {
  ASSERT_EQ(Sh("coterie new notes 'hello world'"), 0) << shell_.output();
  ASSERT_EQ(Sh("coterie append notes more"), 0) << shell_.output();
  const std::string before = shell_.output();
  ASSERT_EQ(Sh("coterie insert notes 0 '>> '"), 0) << shell_.output();
  const std::string edit =
      R"(echo '[{"retain":5,"attributes":{"bold":true}},{"insert":{"image":"a.png"}}]' | )"
      "coterie edit notes --delta - --base ";
  ASSERT_EQ(Sh(edit + before), 0) << shell_.output();
  ASSERT_EQ(Sh("coterie cat notes"), 0) << shell_.output();
  EXPECT_EQ(shell_.output(), ">> hello worldmore\n");
  ASSERT_EQ(Sh("coterie doc doctor notes --json"), 0) << shell_.output();
  EXPECT_TRUE(Says("\"embed\"") && Says("\"format\"")) << shell_.output();

  EXPECT_NE(Sh("echo '[{\"retain\":500}]' | coterie edit notes --delta -"), 0);
  EXPECT_TRUE(Says("past the end")) << shell_.output();
  EXPECT_NE(Sh("echo '[{\"insert\":\"\"}]' | coterie edit notes --delta - --unit code-points"), 0);
  EXPECT_TRUE(Says("Op 0 of the delta inserts nothing")) << shell_.output();
}

TEST_F(ContentOfACluster, IsLookedIntoByTheDoctorWhichWritesFilesOnly) {
  ASSERT_EQ(Sh("coterie new notes text && coterie append notes more"), 0) << shell_.output();
  ASSERT_EQ(Sh("coterie doc doctor notes"), 0) << shell_.output();
  EXPECT_TRUE(Says("notes: a sound update, V1")) << shell_.output();
  EXPECT_NE(Sh("coterie doc doctor notes --repair"), 0);
  EXPECT_TRUE(Says("-o FILE")) << shell_.output();
  ASSERT_EQ(Sh("coterie history notes > before; coterie doc doctor notes --repair -o mended"), 0)
      << shell_.output();
  ASSERT_EQ(Sh("coterie doc doctor ./mended && coterie doc doctor mended --diff notes"), 0)
      << shell_.output();
  EXPECT_TRUE(Says("only in mended:\n  nothing\nonly in notes:\n  nothing")) << shell_.output();
  EXPECT_EQ(Sh("coterie history notes | cmp - before"), 0) << shell_.output();
  EXPECT_NE(Sh("coterie doc doctor nobody"), 0);
  EXPECT_NE(Sh("coterie doc doctor ./notes"), 0);  // A path is a file.
}

TEST_F(ContentOfACluster, GoesOutAndComesBackInEveryForm) {
  ASSERT_EQ(Sh("coterie new notes 'caf\u00e9 \U0001F600' && coterie append notes more"), 0)
      << shell_.output();
  ASSERT_EQ(Sh("coterie export notes --as yjs2 > v2 && coterie import again -c --as yjs2 < v2 && "
               "coterie import again --as yjs2 < v2 && coterie export notes > v1 && "
               "coterie import again < v1 && coterie export again | cmp - v1"),
            0)
      << shell_.output();

  ASSERT_EQ(Sh("coterie export notes --as text > text && echo more >> text && "
               "coterie import notes --as text < text && coterie cat notes | cmp - text"),
            0)
      << shell_.output();

  const std::string board =
      R"({"board":{"done":[true,1.5,null],"title":"x","who":{"ann":1}},"tasks":["one",{"n":2}],)"
      R"("text":"caf\u00e9"})";
  ASSERT_EQ(Sh("echo '" + board +
               "' > board && coterie import board -c --as json < board && "
               "coterie export board --as json > back && cat back && "
               "coterie import copy -c --as json < back && "
               "coterie export copy --as json | cmp - back"),
            0)
      << shell_.output();
  EXPECT_TRUE(Says("\"tasks\":[\"one\",{\"n\":2}]")) << shell_.output();
  EXPECT_TRUE(Says("\"done\":[true,1.5,null]")) << shell_.output();
  EXPECT_NE(Sh("coterie import copy --as json < back"), 0);
  EXPECT_TRUE(Says("copy is not empty")) << shell_.output();
  EXPECT_NE(Sh("echo '[1]' | coterie import list -c --as json"), 0);
  EXPECT_TRUE(Says("an object of roots")) << shell_.output();
  EXPECT_NE(Sh("coterie cat list"), 0);  // Nothing was made.
}

// The processes of one session, which share its locks, and those of another.
TEST_F(ContentOfACluster, IsMadeOfJsonOnceHoweverManyDoSoAtOnce) {
  const std::string seed =
      "as() { (export COTERIE_CREDENTIALS=$1; shift; coterie \"$@\"); }\n"
      "seed() { for i in 1 2 3; do for who in ann bob; do"
      "  as ./$who import $1 -c --as json < json & done; done > done; wait; wc -l < done; }\n";
  ASSERT_EQ(Sh(seed + "as ./ann login ann; as ./bob login bob; "
                      "echo '{\"list\":[1],\"text\":\"once\"}' > json"),
            0)
      << shell_.output();
  for (int round = 0; round < 4; ++round) {
    const std::string name = "seed" + std::to_string(round);
    ASSERT_EQ(Sh(seed + "seed " + name + " 2> errors"), 0);
    EXPECT_EQ(shell_.output(), "1\n") << "imports that were done";
    ASSERT_EQ(Sh("coterie export " + name + " --as json"), 0) << shell_.output();
    EXPECT_EQ(shell_.output(), "{\"list\":[1],\"text\":\"once\"}\n");
  }
  EXPECT_NE(Sh("coterie new mine && coterie lock mine && coterie import mine --as json < json"), 0);
  EXPECT_TRUE(Says("this session holds the document's lock already")) << shell_.output();
}

TEST_F(ContentOfACluster, SaysWhatAnImportWaitsFor) {
  // Client 1 wrote "a", and then "b".
  ASSERT_EQ(Sh(R"(printf '\1\1\1\0\4\1\1t\1a\0' > a; printf '\1\1\1\1\204\1\0\1b\0' > b)"), 0);
  ASSERT_EQ(Sh("coterie import late -c < b"), 0) << shell_.output();
  EXPECT_TRUE(Says("late waits for client 1 up to clock 0")) << shell_.output();
  ASSERT_EQ(Sh("coterie import late < a"), 0) << shell_.output();
  EXPECT_FALSE(Says("waits")) << shell_.output();
  ASSERT_EQ(Sh("coterie import late < b"), 0) << shell_.output();
  EXPECT_FALSE(Says("waits")) << "what it builds on is there: " << shell_.output();
  ASSERT_EQ(Sh("coterie cat late"), 0);
  EXPECT_EQ(shell_.output(), "ab");
}

TEST_F(ContentOfACluster, AVersionOrAPlaceThatIsNotThereIsNoEvent) {
  ASSERT_EQ(Sh("coterie new notes text"), 0) << shell_.output();
  for (const char* call : {"show notes 1", "cat notes --version 1", "export notes --version 1",
                           "export notes --as text --version 1", "restore notes 1"}) {
    EXPECT_NE(Sh(std::string("coterie ") + call), 0) << call;
    EXPECT_TRUE(Says("fix: coterie history notes")) << call << ": " << shell_.output();
  }
  EXPECT_NE(Sh("coterie insert notes 100 Q"), 0);
  EXPECT_TRUE(Says("past the end") && !Says("--since")) << shell_.output();
}

TEST_F(ContentOfACluster, IsFoundByAPartOfItsNameOrByWhatChangedLast) {
  ASSERT_EQ(Sh("for name in 'Plan A' notes 'old plan'; do coterie new \"$name\"; done; "
               "coterie append 'Plan A' more"),
            0)
      << shell_.output();
  const auto names = [this](const std::string& flags) {
    EXPECT_EQ(Sh("coterie docs --names " + flags), 0) << shell_.output();
    return shell_.output();
  };
  EXPECT_EQ(names(""), "Plan A\nnotes\nold plan\n");
  EXPECT_EQ(names("plan"), "Plan A\nold plan\n");
  EXPECT_EQ(names("--recent"), "Plan A\nold plan\nnotes\n");
  EXPECT_EQ(names("--recent --limit 2"), "Plan A\nold plan\n");
  EXPECT_EQ(names("-n 1 plan"), "Plan A\n");
  EXPECT_EQ(names("nothing"), "");
  ASSERT_EQ(Sh("coterie docs old --json"), 0);
  EXPECT_TRUE(Says("\"name\":\"old plan\"") && !Says("Plan A")) << shell_.output();
}

TEST_F(ContentOfACluster, OfARichEditorIsReadAsMarkdown) {
  std::ifstream documents(COTERIE_RICH_DOCUMENTS);
  std::string name;
  std::string root;
  std::string update;
  ASSERT_TRUE(documents >> name >> root >> update);
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(update, &bytes));
  std::ofstream(shell_.folder() + "/rich.yjs", std::ios::binary) << bytes;

  ASSERT_EQ(Sh("coterie import plan -c < rich.yjs && coterie cat plan"), 0) << shell_.output();
  EXPECT_TRUE(Says("# Plan for *June*\n\nIt is **very *urgent***")) << shell_.output();
  const std::string text = shell_.output().substr(shell_.output().find('#'));
  ASSERT_EQ(Sh("coterie cat plan --root default"), 0);
  EXPECT_EQ(shell_.output(), text);
  EXPECT_EQ(Sh("coterie cat plan --root other"), kNotFound);
  EXPECT_TRUE(Says("plan has no root \"other\"") && Says("default")) << shell_.output();
  EXPECT_NE(Sh("EDITOR=true coterie edit plan"), 0);
  EXPECT_TRUE(Says("rich editor")) << shell_.output();
  EXPECT_NE(Sh("coterie append plan x"), 0);
}

}  // namespace
}  // namespace coterie::tests
