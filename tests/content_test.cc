// What a document holds, by the `coterie` program on a real cluster: edits by delta, the doctor of
// a document in the cluster, and what a rich editor wrote.

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/cluster_process.h"

namespace coterie::tests {
namespace {

class ContentOfACluster : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(3);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    folder_ = (std::filesystem::path(testing::TempDir()) / "coterie-content-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    ASSERT_EQ(Sh("coterie login ann"), 0) << output_;
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  // The exit code of a shell that knows `coterie`; what it wrote is in output_.
  int Sh(const std::string& script) {
    const std::string line =
        absl::StrCat("cd '", folder_, "' && export HOME=. COTERIE_PASSWORD=secret COTERIE_NODES=",
                     absl::StrJoin(cluster_->client_addresses(), ","), "; coterie() { '",
                     COTERIE_PROGRAM, "' \"$@\"; }\n", script);
    const std::string path = folder_ + "/output";
    const int output = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const pid_t child = fork();
    if (child == 0) {
      dup2(input, STDIN_FILENO);
      dup2(output, STDOUT_FILENO);
      dup2(output, STDERR_FILENO);
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    close(input);
    close(output);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    output_ = text.str();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  bool Says(const std::string& what) const { return output_.find(what) != std::string::npos; }

  std::unique_ptr<ClusterProcess> cluster_;
  std::string folder_;
  std::string output_;
};

TEST_F(ContentOfACluster, IsEditedByDelta) {
  ASSERT_EQ(Sh("coterie new notes 'hello world'"), 0) << output_;
  ASSERT_EQ(Sh("coterie append notes more"), 0) << output_;
  const std::string before = output_;
  ASSERT_EQ(Sh("coterie insert notes 0 '>> '"), 0) << output_;
  const std::string edit =
      R"(echo '[{"retain":5,"attributes":{"bold":true}},{"insert":{"image":"a.png"}}]' | )"
      "coterie edit notes --delta - --base ";
  ASSERT_EQ(Sh(edit + before), 0) << output_;
  ASSERT_EQ(Sh("coterie cat notes"), 0) << output_;
  EXPECT_EQ(output_, ">> hello worldmore\n");
  ASSERT_EQ(Sh("coterie doc doctor notes --json"), 0) << output_;
  EXPECT_TRUE(Says("\"embed\"") && Says("\"format\"")) << output_;

  EXPECT_NE(Sh("echo '[{\"retain\":500}]' | coterie edit notes --delta -"), 0);
  EXPECT_TRUE(Says("past the end")) << output_;
  EXPECT_NE(Sh("echo '[{\"insert\":\"\"}]' | coterie edit notes --delta - --unit code-points"), 0);
  EXPECT_TRUE(Says("Op 0 of the delta inserts nothing")) << output_;
}

TEST_F(ContentOfACluster, IsLookedIntoByTheDoctorWhichWritesFilesOnly) {
  ASSERT_EQ(Sh("coterie new notes text && coterie append notes more"), 0) << output_;
  ASSERT_EQ(Sh("coterie doc doctor notes"), 0) << output_;
  EXPECT_TRUE(Says("notes: a sound update, V1")) << output_;
  EXPECT_NE(Sh("coterie doc doctor notes --repair"), 0);
  EXPECT_TRUE(Says("-o FILE")) << output_;
  ASSERT_EQ(Sh("coterie history notes > before; coterie doc doctor notes --repair -o mended"), 0)
      << output_;
  ASSERT_EQ(Sh("coterie doc doctor ./mended && coterie doc doctor mended --diff notes"), 0)
      << output_;
  EXPECT_TRUE(Says("only in mended:\n  nothing\nonly in notes:\n  nothing")) << output_;
  EXPECT_EQ(Sh("coterie history notes | cmp - before"), 0) << output_;
  EXPECT_NE(Sh("coterie doc doctor nobody"), 0);
  EXPECT_NE(Sh("coterie doc doctor ./notes"), 0);  // A path is a file.
}

TEST_F(ContentOfACluster, OfARichEditorIsReadAsMarkdown) {
  std::ifstream documents(COTERIE_RICH_DOCUMENTS);
  std::string name;
  std::string root;
  std::string update;
  ASSERT_TRUE(documents >> name >> root >> update);
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(update, &bytes));
  std::ofstream(folder_ + "/rich.yjs", std::ios::binary) << bytes;

  ASSERT_EQ(Sh("coterie import plan -c < rich.yjs && coterie cat plan"), 0) << output_;
  EXPECT_TRUE(Says("# Plan for *June*\n\nIt is **very *urgent***")) << output_;
  const std::string text = output_.substr(output_.find('#'));
  ASSERT_EQ(Sh("coterie cat plan --root default"), 0);
  EXPECT_EQ(output_, text);
  ASSERT_EQ(Sh("coterie cat plan --root other"), 0);
  EXPECT_EQ(output_, "");
  EXPECT_NE(Sh("EDITOR=true coterie edit plan"), 0);
  EXPECT_TRUE(Says("rich editor")) << output_;
  EXPECT_NE(Sh("coterie append plan x"), 0);
}

}  // namespace
}  // namespace coterie::tests
