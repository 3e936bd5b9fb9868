// `coterie up` and `down` with a language model beside the nodes, and without one: the program
// itself, its processes real.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"

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
  // In a folder of its own, with nothing of the user's.
  Ran Run(const std::string& arguments) const {
    const std::string line = "cd " + folder_ + " && env HOME=" + folder_ +
                             "/home COTERIE_PASSWORD='a long password' " + COTERIE_PROGRAM + " " +
                             arguments + " 2>&1";
    Ran ran;
    std::FILE* output = popen(line.c_str(), "r");
    if (output == nullptr) return ran;
    char piece[4'096];
    while (const std::size_t size = std::fread(piece, 1, sizeof piece, output)) {
      ran.output.append(piece, size);
    }
    ran.exit_code = WEXITSTATUS(pclose(output));
    return ran;
  }
  Ran RunUp(const std::string& arguments = {}) const {
    return Run("up --detach --http-port 0 --grpc-port 57053 --data " + folder_ + "/data " +
               arguments);
  }
  std::string Model(const std::string& path) const {
    EXPECT_TRUE(llm::testing::WriteChainModel(folder_ + "/" + path).ok());
    return folder_ + "/" + path;
  }

  std::string folder_;
};

TEST_F(Up, ServesTheOnlyModelAndStopsIt) {
  std::filesystem::create_directories(folder_ + "/models");
  Model("models/chain.gguf");

  const Ran up = RunUp();

  ASSERT_EQ(up.exit_code, 0) << up.output;
  EXPECT_NE(up.output.find("The assistant is ready: chain"), std::string::npos) << up.output;
  const Ran login = Run("--nodes 127.0.0.1:57053 login ann");
  EXPECT_EQ(login.exit_code, 0) << login.output;
  const Ran asked = Run("--nodes 127.0.0.1:57053 ask 'Who?'");
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

}  // namespace
}  // namespace coterie::tests
