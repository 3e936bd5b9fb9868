// `coterie up` and `down` with a language model beside the nodes, and without one: the program
// itself, its processes real.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"
#include "tests/authority.h"
#include "tests/cluster_process.h"
#include "tests/llm_process.h"

#ifndef COTERIE_PROGRAM
#error "COTERIE_PROGRAM is not defined"
#endif

namespace coterie::tests {
namespace {

struct Ran {
  int exit_code = -1;
  std::string output;
};

class Up : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::path(testing::TempDir()) / "coterie-up-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directories(folder_ + "/home");
  }
  void TearDown() override {
    Run("down --data " + folder_ + "/data");
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  // In a folder of its own, with nothing of the user's but how a sanitizer is to behave. What it
  // leaves running keeps no pipe open: the output goes to a file.
  Ran Run(const std::string& arguments) const {
    return RunLine(absl::StrCat(COTERIE_PROGRAM, " ", arguments));
  }
  Ran RunLine(const std::string& words) const {
    std::vector<std::string> line = absl::StrSplit(words, ' ', absl::SkipEmpty());
    std::vector<char*> argv;
    for (std::string& word : line) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string home = "HOME=" + folder_ + "/home";
    std::vector<std::string> sanitizers;
    for (const char* name : {"TSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
      if (const char* value = getenv(name)) sanitizers.push_back(std::string(name) + "=" + value);
    }
    std::vector<const char*> environment = {home.c_str(), "COTERIE_PASSWORD=a long password"};
    for (const std::string& options : sanitizers) environment.push_back(options.c_str());
    environment.push_back(nullptr);
    const std::string path = folder_ + "/output";
    const int output = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    const pid_t child = fork();
    if (child == 0) {
      dup2(output, STDOUT_FILENO);
      dup2(output, STDERR_FILENO);
      if (chdir(folder_.c_str()) == 0) {
        execve(argv[0], argv.data(), const_cast<char* const*>(environment.data()));
      }
      _exit(127);
    }
    close(output);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .output = text.str()};
  }
  Ran RunUp(const std::string& arguments = {}) const {
    return Run("up --detach --http-port 0 --grpc-port " + Port() + " --data " + folder_ + "/data " +
               arguments);
  }
  std::string Model(const std::string& path) const {
    EXPECT_TRUE(llm::testing::WriteChainModel(folder_ + "/" + path).ok());
    return folder_ + "/" + path;
  }

  std::string Port() const { return node_.substr(node_.rfind(':') + 1); }

  std::string folder_;
  const std::string node_ = FreeAddress();  // The first; the others' ports follow it.
};

TEST_F(Up, ServesTheOnlyModelAndStopsIt) {
  std::filesystem::create_directories(folder_ + "/models");
  Model("models/chain.gguf");

  const Ran up = RunUp();

  ASSERT_EQ(up.exit_code, 0) << up.output;
  EXPECT_NE(up.output.find("The assistant is ready: chain"), std::string::npos) << up.output;
  const Ran login = Run("--nodes " + node_ + " login ann");
  EXPECT_EQ(login.exit_code, 0) << login.output;
  const Ran asked = Run("--nodes " + node_ + " ask Who?");
  EXPECT_NE(asked.output.find("quick brown fox"), std::string::npos) << asked.output;
  const Ran down = Run("down --data " + folder_ + "/data");
  EXPECT_NE(down.output.find("stopped 3 nodes and the language model"), std::string::npos)
      << down.output;
  EXPECT_NE(Run("down --data " + folder_ + "/data").output.find("no node was running"),
            std::string::npos);
}

TEST_F(Up, WithoutAModelSaysWhatToDownloadAndServes) {
  const Ran up = RunUp();

  EXPECT_EQ(up.exit_code, 0) << up.output;
  EXPECT_NE(up.output.find("Apache-2.0, 669 MB"), std::string::npos) << up.output;
  EXPECT_NE(up.output.find("curl -L -o models/"), std::string::npos) << up.output;
  EXPECT_NE(up.output.find("Coterie serves: 3 nodes"), std::string::npos) << up.output;
}

TEST_F(Up, AsksAModelThatRunsElsewhereOverTls) {
  const Authority authority;
  ASSERT_TRUE(authority.made());
  const auto model = LlmProcess::Start({"--model", Model("chain.gguf"), "--listen", "127.0.0.1:0",
                                        "--tls-cert", authority.certificate(), "--tls-key",
                                        authority.key(), "--tls-ca", authority.ca()});
  ASSERT_TRUE(model.ok()) << model.status();

  const Ran up =
      RunUp("--llm " + (*model)->address() + " --llm-tls-ca " + authority.ca() +
            " --llm-tls-cert " + authority.certificate() + " --llm-tls-key " + authority.key());

  ASSERT_EQ(up.exit_code, 0) << up.output;
  EXPECT_EQ(Run("--nodes " + node_ + " login ann").exit_code, 0);
  const Ran asked = Run("--nodes " + node_ + " ask Who?");
  EXPECT_NE(asked.output.find("quick brown fox"), std::string::npos) << asked.output;
  const Ran alone = RunUp("--llm-tls-ca " + authority.ca());
  EXPECT_NE(alone.output.find("--llm-tls-ca requires --llm"), std::string::npos) << alone.output;
}

TEST_F(Up, AModelThatIsNoneIsAnErrorAndLeavesNothingRunning) {
  std::ofstream(folder_ + "/bad.gguf") << "junk";

  const Ran up = RunUp("--model bad.gguf");

  EXPECT_NE(up.exit_code, 0);
  EXPECT_NE(up.output.find("bad.gguf: not a GGUF file"), std::string::npos) << up.output;
  EXPECT_NE(Run("down --data " + folder_ + "/data").output.find("no node was running"),
            std::string::npos);
  const Ran missing = RunUp("--model none.gguf");
  EXPECT_NE(missing.output.find("none.gguf cannot be read"), std::string::npos) << missing.output;
}

// A program that is no node: it never serves, and says whether the cluster was written down.
TEST_F(Up, WritesTheClusterDownFirstAndEndsWhenItIsInterrupted) {
  const std::string program = folder_ + "/node.sh";
  std::ofstream(program) << "#!/bin/sh\ntest -f " << folder_ << "/data/cluster.json && touch "
                         << folder_ << "/was_there\nexec sleep 60\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const absl::Time start = absl::Now();

  const Ran up = RunLine(absl::StrCat("/usr/bin/timeout -s INT 1 ", COTERIE_PROGRAM,
                                      " up --http-port 0 --grpc-port ", Port(), " --data ", folder_,
                                      "/data --node-program ", program));

  EXPECT_EQ(up.exit_code, 124) << up.output;  // It was `timeout` that ended it.
  EXPECT_NE(up.output.find("stopped; the data stays"), std::string::npos) << up.output;
  EXPECT_LT(absl::Now() - start, absl::Seconds(15));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/was_there"));
}

TEST_F(Up, TheFirstPasswordIsNeededOnceAndIsNotEmpty) {
  const std::string peer = FreeAddress();
  const std::string node = absl::StrCat(
      (std::filesystem::path(COTERIE_PROGRAM).parent_path() / "coterie-node").string(),
      " --id 1 --cluster-id 5 --listen ", node_, " --peer-listen ", peer, " --founder 1=", peer,
      "=", node_, " --secure --admin root --data ", folder_, "/n");
  for (const char* without : {"COTERIE_PASSWORD=", "--unset=COTERIE_PASSWORD"}) {
    const Ran refused = RunLine(absl::StrCat("/usr/bin/env ", without, " ", node));
    EXPECT_EQ(refused.exit_code, 2) << refused.output;
    EXPECT_NE(refused.output.find("COTERIE_PASSWORD"), std::string::npos) << refused.output;
  }
  EXPECT_EQ(RunLine("/usr/bin/timeout 2 " + node).exit_code, 124);
  const Ran later = RunLine("/usr/bin/env COTERIE_PASSWORD= /usr/bin/timeout 2 " + node);
  EXPECT_EQ(later.exit_code, 124) << later.output;
}

TEST_F(Up, ServesWithAMajorityAndSaysWhoIsDown) {
  ASSERT_EQ(RunUp().exit_code, 0);
  ASSERT_EQ(Run("down --data " + folder_ + "/data").exit_code, 0);
  std::filesystem::remove_all(folder_ + "/data/n2/log");

  const Ran two = RunUp();

  EXPECT_EQ(two.exit_code, 0) << two.output;
  EXPECT_NE(two.output.find("n2 is down"), std::string::npos) << two.output;
  EXPECT_NE(two.output.find("log is gone"), std::string::npos) << two.output;
  EXPECT_EQ(Run("--nodes " + node_ + " login ann").exit_code, 0);
  Run("down --data " + folder_ + "/data");
  std::filesystem::remove_all(folder_ + "/data/n3/log");

  const Ran one = RunUp();

  EXPECT_NE(one.exit_code, 0) << one.output;
}

}  // namespace
}  // namespace coterie::tests
