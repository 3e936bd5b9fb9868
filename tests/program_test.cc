// The `coterie` program on a real cluster, in a shell and on a terminal: what becomes of its input,
// its output, its files and its terminal when something goes wrong.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/cluster_process.h"
#include "tests/pacing.h"
#include "tests/shell.h"
#include "tests/terminal.h"

namespace coterie::tests {
namespace {

class Program : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(1);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    shell_.SetNodes(cluster_->client_addresses());
    Ok("coterie login ann && coterie new notes 'hello'");
  }
  void Ok(const std::string& script) { ASSERT_EQ(shell_.Run(script), 0) << shell_.output(); }
  std::string Printed(const std::string& script) {
    EXPECT_EQ(shell_.Run(script), 0) << shell_.output();
    return shell_.output();
  }
  std::string path(const std::string& name) const { return shell_.folder() + "/" + name; }
  void MakeScript(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << "#!/bin/sh\n" << text;
    ASSERT_EQ(chmod(path(name).c_str(), 0755), 0);
  }
  std::unique_ptr<Terminal> OnTerminal(const std::string& arguments) {
    return std::make_unique<Terminal>(
        std::string("'" COTERIE_PROGRAM "' ") + arguments, shell_.folder(),
        std::vector<std::string>{"HOME=.", "TERM=xterm", "TMPDIR=" + shell_.folder(),
                                 "COTERIE_NODES=" + cluster_->client_addresses().front()});
  }

  std::unique_ptr<ClusterProcess> cluster_;
  Shell shell_{COTERIE_PROGRAM};
};

TEST_F(Program, AnEndedSessionDoesNotCostTheStandardInput) {
  const std::string credentials = ".local/state/coterie/credentials.json";
  const auto outdate = [&] {
    Ok("cp " + credentials + " kept && coterie logout && cp kept " + credentials);
  };
  outdate();
  Ok("echo x | coterie write notes");
  EXPECT_EQ(Printed("coterie cat notes"), "x\n");
  outdate();
  Ok("echo y | coterie append notes -");
  EXPECT_EQ(Printed("coterie cat notes"), "x\ny\n");
  outdate();
  Ok("echo z | coterie new more -");
  EXPECT_EQ(Printed("coterie cat more"), "z\n");
}

TEST_F(Program, OutputThatIsLostIsAnError) {
  for (const char* command : {"export notes", "cat notes", "--json docs", "docs", "--help",
                              "watch --all --unseen", "--json watch --all --unseen"}) {
    EXPECT_EQ(shell_.Run(std::string("coterie ") + command + " > /dev/full"), 8) << command;
    EXPECT_TRUE(shell_.Says("standard output")) << command << ": " << shell_.output();
  }
  Ok("trap '' PIPE; mkfifo closed; { read line < closed; coterie docs; echo $? > code; } |"
     " { exec <&-; echo > closed; }");
  EXPECT_EQ(shell_.output(), "");
  EXPECT_EQ(Printed("cat code"), "130\n");
}

TEST_F(Program, TheDoctorReplacesAFileOnlyByAWholeOne) {
  Ok("coterie export notes > f && cp f before && chmod 640 f");
  EXPECT_NE(shell_.Run("trap '' XFSZ; ulimit -f 0; coterie doc doctor f --repair -o f"), 0);
  Ok("cmp f before && ls");
  EXPECT_FALSE(shell_.Says("f.")) << shell_.output();
  Ok("ln -s f link && coterie doc doctor f --squash -o link && coterie doc doctor f");
  Ok("test -L link && stat -c %a f");
  EXPECT_EQ(shell_.output(), "640\n");
  Ok("umask 022; coterie doc doctor f --squash -o g && stat -c %a g");
  EXPECT_TRUE(shell_.Says("644")) << shell_.output();
  EXPECT_NE(shell_.Run("coterie doc doctor f --squash -o /dev/full"), 0);
  Ok("coterie doc doctor f --squash -o /dev/null && test -c /dev/null");
}

TEST_F(Program, ABackupIsItsOwnersAloneAndTouchesNothingElse) {
  Ok("echo mine > victim && ln -s victim b.part && coterie backup take b");
  EXPECT_EQ(Printed("cat victim"), "mine\n");
  Ok("rm b b.part && touch b.part && chmod 644 b.part && coterie backup take b");
  EXPECT_EQ(Printed("stat -c %a b"), "600\n");
  EXPECT_EQ(Printed("ls b*"), "b\nb.part\n");
  Ok("coterie backup verify b");
  EXPECT_NE(shell_.Run("trap '' XFSZ; ulimit -f 0; coterie backup take b"), 0);
  Ok("coterie backup verify b");
  EXPECT_EQ(Printed("ls b*"), "b\nb.part\n");
}

TEST_F(Program, CtrlCIsTheEditorsWhileItRuns) {
  MakeScript("editor",
             "trap 'echo heard' INT QUIT\necho ready\nuntil read line; do :; done\n"
             "echo \", $line\" >> \"$1\"\n");
  const auto terminal = OnTerminal("edit notes --editor ./editor");
  ASSERT_TRUE(terminal->Shows("ready")) << terminal->output();
  for (const char* key : {"\x03", "\x1c"}) {
    terminal->Type(key);
    ASSERT_TRUE(terminal->Shows("heard")) << terminal->output();
  }
  terminal->Type("world\n");
  EXPECT_EQ(terminal->Ends(), 0) << terminal->output();
  EXPECT_EQ(Printed("coterie cat notes"), "hello, world\n");
}

TEST_F(Program, WhatAFailingEditorSavedIsKept) {
  MakeScript("editor", "echo more >> \"$1\"; exit 1\n");
  EXPECT_NE(shell_.Run("export TMPDIR=$PWD; coterie edit notes --editor ./editor"), 0);
  EXPECT_TRUE(shell_.Says("your text is kept in ")) << shell_.output();
  EXPECT_EQ(Printed("cat coterie-edit.*/notes"), "hellomore\n");
  MakeScript("editor", "exit 1\n");
  Ok("rm -r coterie-edit.*");
  EXPECT_NE(shell_.Run("export TMPDIR=$PWD; coterie edit notes --editor ./editor"), 0);
  EXPECT_NE(shell_.Run("ls -d coterie-edit.*"), 0) << shell_.output();
  MakeScript("editor", "rm \"$1\"; mkdir \"$1\"\n");
  EXPECT_NE(shell_.Run("export TMPDIR=$PWD; coterie edit notes --editor ./editor"), 0);
  EXPECT_TRUE(shell_.Says("your text is kept in ")) << shell_.output();
  EXPECT_EQ(Printed("coterie cat notes"), "hello");
}

TEST_F(Program, NoEscapeSequenceOfOthersReachesATerminal) {
  Ok(R"(printf 'a\033[31mb\302\233c\177d' | coterie write notes)");
  for (const char* command :
       {"export notes --as text", "export notes --as json", "cat notes", "--json cat notes"}) {
    const auto terminal = OnTerminal(command);
    EXPECT_EQ(terminal->Ends(), 0) << command << ": " << terminal->output();
    EXPECT_EQ(terminal->output().find_first_of("\x1b\x9b\x7f"), std::string::npos) << command;
  }
  EXPECT_EQ(Printed("coterie export notes --as text"),
            "a\033[31mb\xc2\x9b"
            "c\x7f"
            "d");
}

TEST_F(Program, AlertsOfTheShellOutliveTheirNodes) {
  Ok("coterie share notes everyone editor");
  const auto terminal = OnTerminal("shell");
  ASSERT_TRUE(terminal->Shows("coterie> ")) << terminal->output();
  cluster_->Kill(1);
  Pass(absl::Seconds(4));  // The program calls nodes that it cannot reach unreachable after two.
  ASSERT_TRUE(cluster_->Restart(1).ok());
  Ok("mkdir tom && export HOME=./tom && coterie login tom && coterie append notes more");
  EXPECT_TRUE(terminal->Shows("* tom edited notes")) << terminal->output();
}

// --- What it leaves of the terminal ---

TEST_F(Program, CtrlCAtAPasswordLeavesTheTerminalAsItWas) {
  for (const char* key : {"\x03", "\x1c"}) {
    const auto terminal = OnTerminal("login tom");
    const termios before = terminal->Attributes();
    ASSERT_TRUE(terminal->Shows("Password of tom: ")) << terminal->output();
    EXPECT_EQ(terminal->Attributes().c_lflag & ECHO, 0u);
    terminal->Type(key);
    EXPECT_GT(terminal->Ends(), 128) << terminal->output();
    EXPECT_EQ(terminal->Attributes().c_lflag, before.c_lflag);
  }
}

TEST_F(Program, QuittingTheDemoCleansUp) {
  const auto terminal = OnTerminal("demo --nodes 1");
  const termios before = terminal->Attributes();
  ASSERT_TRUE(terminal->Shows("q quit")) << terminal->output();
  ASSERT_TRUE(
      WaitUntil([&] { return (terminal->Attributes().c_lflag & ECHO) == 0; }, absl::Seconds(20)));
  terminal->Type("\x1c");
  EXPECT_NE(terminal->Ends(), -1) << terminal->output();
  EXPECT_EQ(terminal->Attributes().c_lflag, before.c_lflag);
  EXPECT_NE(shell_.Run("ls -d coterie-demo.*"), 0) << shell_.output();
}

}  // namespace
}  // namespace coterie::tests
