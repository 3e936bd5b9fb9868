// The command line's own parts: words, files, texts, and what a script gets to see.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/content_json.h"
#include "cli/control_server.h"
#include "cli/credentials_file.h"
#include "cli/event_text.h"
#include "cli/explain.h"
#include "cli/held_lock.h"
#include "cli/interrupt_watch.h"
#include "cli/local_cluster.h"
#include "cli/terminal.h"
#include "cli/test_cli.h"
#include "client/error_detail.h"

namespace coterie::cli {
namespace {

bool Bash(const char* option, const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    execlp("bash", "bash", option, path.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

// --- Words ---

TEST_F(CliTest, HelpTeachesOnStandardOutput) {
  EXPECT_EQ(Do({"--help"}), ExitCode::kOk);
  EXPECT_NE(out_.find("Exit codes:"), std::string::npos);
  EXPECT_NE(out_.find("coterie up"), std::string::npos);
  EXPECT_EQ(err_, "");
}

// Those that do something without a cluster are left out.
const std::vector<std::string> kCommands = {"login",
                                            "logout",
                                            "whoami",
                                            "passwd",
                                            "users add",
                                            "users rm",
                                            "docs",
                                            "cat",
                                            "new",
                                            "write",
                                            "append",
                                            "rm",
                                            "rename",
                                            "share",
                                            "insert",
                                            "delete",
                                            "export",
                                            "import",
                                            "edit",
                                            "lock",
                                            "unlock",
                                            "locks",
                                            "history",
                                            "show",
                                            "restore",
                                            "drafts",
                                            "draft show",
                                            "draft merge",
                                            "draft drop",
                                            "watch",
                                            "who",
                                            "cluster status",
                                            "cluster add",
                                            "cluster promote",
                                            "cluster remove",
                                            "cluster transfer",
                                            "cluster snapshot",
                                            "backup take",
                                            "backup verify",
                                            "doc doctor",
                                            "ask",
                                            "summarize",
                                            "grammar",
                                            "enhance",
                                            "continue",
                                            "suggestions",
                                            "accept",
                                            "reject"};

// Other than the ends of lines.
bool HasControls(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
}

TEST_F(CliTest, EveryCommandHasHelp) {
  std::vector<std::string> all = kCommands;
  all.insert(all.end(), {"users", "draft", "cluster", "backup", "doc", "shell", "up", "down",
                         "demo", "completion"});
  for (const std::string& command : all) {
    std::vector<std::string> words = *SplitWords(command);
    words.push_back("--help");
    EXPECT_EQ(Do(words), ExitCode::kOk) << command;
    EXPECT_NE(out_.find("Usage:"), std::string::npos) << command;
    EXPECT_FALSE(HasControls(out_)) << command;
  }
}

TEST_F(CliTest, AWrongChoiceIsToldWithoutControlBytes) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"export", "notes", "--as", "pdf"},
        {"import", "notes", "--as", "pdf"},
        {"draft", "show", "notes", "--as", "pdf"}}) {
    EXPECT_EQ(Do(words), ExitCode::kUsage);
    EXPECT_NE(err_.find("pdf"), std::string::npos) << err_;
    EXPECT_NE(err_.find("yjs"), std::string::npos) << err_;
    EXPECT_FALSE(HasControls(err_)) << err_;
    EXPECT_EQ(err_.find("\xef\xbf\xbd"), std::string::npos) << "made printable: " << err_;
  }
}

// What `line` of a help's examples says to type, without what is said about it behind.
std::string ExampleIn(const std::string& line) {
  if (line.rfind("  coterie ", 0) != 0) return "";
  std::string example = line.substr(std::string("  coterie ").size());
  for (const char* end : {"  ", " | ", " > ", " < "})
    example = example.substr(0, example.find(end));
  return example;
}

TEST_F(CliTest, EveryExampleInAHelpIsUnderstood) {
  setenv("COTERIE_NODES", "127.0.0.1:1", 1);
  setenv("COTERIE_PASSWORD", "x", 1);
  setenv("COTERIE_NEW_PASSWORD", "x", 1);
  int examples = 0;
  for (const std::string& command : kCommands) {
    std::vector<std::string> words = *SplitWords(command);
    words.push_back("--help");
    Do(words);
    std::istringstream help(out_);
    for (std::string line; std::getline(help, line);) {
      absl::StatusOr<std::vector<std::string>> example = SplitWords(ExampleIn(line));
      ASSERT_TRUE(example.ok()) << line;
      const bool reads_a_file = line.find(" < ") != std::string::npos;
      if (example->empty() || example->front() == "up" || reads_a_file) continue;
      ++examples;
      const bool is_removal = line.find(" rm ") != std::string::npos;
      if (is_removal) example->push_back("--yes");
      EXPECT_NE(Do(*example), ExitCode::kUsage) << line << "\n" << err_;
    }
  }
  EXPECT_GT(examples, 40);
  unsetenv("COTERIE_NEW_PASSWORD");
}

TEST_F(CliTest, WrongUsageIsExplained) {
  EXPECT_EQ(Do({"wrte"}), ExitCode::kUsage);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "error: there is no command \"wrte\"\n  fix: did you mean `coterie write`?\n");
  EXPECT_EQ(Do({"cluster", "statsu"}), ExitCode::kUsage);
  EXPECT_NE(err_.find("did you mean `coterie cluster status`?"), std::string::npos);
  EXPECT_EQ(Do({"cat"}), ExitCode::kUsage);
  EXPECT_NE(err_.find("DOCUMENT is required"), std::string::npos);
  EXPECT_EQ(Do({"lock", "a", "--for", "soon"}), ExitCode::kUsage);
  EXPECT_EQ(Do({"--nodes", "127.0.0.1:1", "share", "a", "ben", "king"}), ExitCode::kUsage);
  EXPECT_NE(err_.find("king"), std::string::npos) << err_;
  EXPECT_EQ(err_.find("no command"), std::string::npos) << err_;
  EXPECT_EQ(Do({"cat", "id:x"}), ExitCode::kUsage);
  EXPECT_EQ(Do({"docs", "--nodes", "::nonsense"}), ExitCode::kUsage);
}

TEST_F(CliTest, ErrorsAreJsonWhenAsked) {
  EXPECT_EQ(Do({"docs", "--json"}), ExitCode::kDenied);
  const nlohmann::json json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["v"], 1);
  EXPECT_EQ(json["error"]["code"], "UNAUTHENTICATED");
  EXPECT_EQ(err_, "");
}

TEST_F(CliTest, WithoutASessionTheFixIsToLogIn) {
  EXPECT_EQ(Do({"docs"}), ExitCode::kDenied);
  EXPECT_NE(err_.find("coterie login"), std::string::npos);
}

TEST_F(CliTest, UnreachableNodesAreNamed) {
  setenv("COTERIE_USER", "mia", 1);
  setenv("COTERIE_PASSWORD", "x", 1);
  EXPECT_EQ(Do({"docs", "--nodes", "127.0.0.1:1"}), ExitCode::kUnavailable);
  EXPECT_NE(err_.find("127.0.0.1:1"), std::string::npos);
  EXPECT_NE(err_.find("  fix: "), std::string::npos);
}

TEST(SplitWords, FollowsTheShell) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(*SplitWords("write notes 'two words' \"a \\\" b\" c\\ d ''"),
            (Words{"write", "notes", "two words", "a \" b", "c d", ""}));
  EXPECT_EQ(*SplitWords("  \t "), Words{});
  EXPECT_FALSE(SplitWords("write 'open").ok());
}

TEST(DidYouMean, GuessesOnlyWhatIsNear) {
  const std::vector<std::string> known = {"write", "watch", "who"};
  EXPECT_EQ(DidYouMean("wirte", known), "write");
  EXPECT_EQ(DidYouMean("watc", known), "watch");
  EXPECT_EQ(DidYouMean("frobnicate", known), "");
}

TEST_F(CliTest, CompletionKnowsTheTree) {
  EXPECT_EQ(Do({"completion", "bash"}), ExitCode::kOk);
  EXPECT_NE(out_.find("'cluster status')"), std::string::npos);
  EXPECT_NE(out_.find("complete -o default -F _coterie coterie"), std::string::npos);
  std::ofstream(path("completion.bash")) << out_;
  EXPECT_TRUE(Bash("-n", path("completion.bash")));
}

TEST_F(CliTest, CompletionRunsNothingThatADocumentsNameSays) {
  ASSERT_EQ(Do({"completion", "bash"}), ExitCode::kOk);
  std::ofstream(path("completion.bash")) << out_;
  // Names, one a line; and what is typed behind the program's name.
  const auto complete = [&](const std::string& names, const std::string& typed) {
    std::ofstream(path("names")) << names;
    std::ofstream(path("run.bash")) << "cd '" << folder_ << "'; source ./completion.bash\n"
                                    << "coterie() { cat names; }\n"
                                    << "COMP_WORDS=(coterie " << typed << ")\n"
                                    << "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _coterie\n"
                                    << "printf '%s\\n' \"${COMPREPLY[@]}\" > replies\n";
    EXPECT_TRUE(Bash("--norc", path("run.bash")));
    std::ostringstream replies;
    replies << std::ifstream(path("replies")).rdbuf();
    return replies.str();
  };
  EXPECT_EQ(complete("$(touch F)\n$(touch${IFS}F)\n`touch F`\n", R"(cat '\$')"),
            R"(\$\(touch\ F\))"
            "\n"
            R"(\$\(touch\$\{IFS\}F\))"
            "\n");
  EXPECT_FALSE(std::filesystem::exists(path("F")));
  EXPECT_EQ(complete("two words\ntwice\n* ?\nother\n", "cat tw"), "two\\ words\ntwice\n");
  EXPECT_EQ(complete("two words\ntwice\n", "cat 'two\\ w'"), "two\\ words\n");
  EXPECT_EQ(complete("notes\n", "cat n"), "notes\n");
  EXPECT_EQ(complete("notes\n", "cat --st"), "--stale\n");
  EXPECT_EQ(complete("notes\n", "docs --re"), "--recent\n");
  EXPECT_EQ(complete("notes\n", "doc doctor --sal"), "--salvage\n");
  EXPECT_EQ(complete("notes\n", "docs --li"), "--limit\n");
  EXPECT_EQ(complete("notes\n", "cluster pro"), "promote\n");
}

TEST(Complete, FindsCommandsAndOptions) {
  Invocation cli;
  CLI::App app;
  AddBackupCommands(app, cli);
  AddClusterCommands(app, cli);
  AddWatchCommands(app, cli);
  EXPECT_EQ(Complete(app, {"w"}), (std::vector<std::string>{"watch", "who"}));
  EXPECT_EQ(Complete(app, {"cluster", "pro"}), (std::vector<std::string>{"promote"}));
  EXPECT_EQ(Complete(app, {"watch", "--si"}), (std::vector<std::string>{"--since"}));
}

// --- Credentials ---

TEST_F(CliTest, CredentialsSurviveAndArePrivate) {
  CredentialsFile file;
  file.current_user = "mia";
  file.sessions.push_back(
      {.user = "mia", .token = "t\"1", .nodes = {"a:1", "b:2"}, .expires_at_ms = 7});
  file.sessions.push_back({.user = "ben", .token = "t2"});
  ASSERT_TRUE(file.Save(path("x/y/credentials.json")).ok());

  struct stat info {};
  ASSERT_EQ(stat(path("x/y/credentials.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto loaded = CredentialsFile::Load(path("x/y/credentials.json"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->current_user, "mia");
  ASSERT_NE(loaded->Find("mia", {}), nullptr);
  EXPECT_EQ(loaded->Find("mia", {})->token, "t\"1");
  EXPECT_EQ(loaded->Find("mia", {})->nodes.size(), 2u);
  EXPECT_EQ(loaded->sessions.size(), 2u);
}

TEST_F(CliTest, CredentialsThatOthersCanReadAreRefused) {
  ASSERT_TRUE(CredentialsFile().Save(path("c.json")).ok());
  ASSERT_EQ(chmod(path("c.json").c_str(), 0644), 0);
  const auto loaded = CredentialsFile::Load(path("c.json"));
  EXPECT_TRUE(absl::IsPermissionDenied(loaded.status()));
  EXPECT_NE(ErrorText(loaded.status()).find("chmod 600"), std::string::npos);
}

TEST_F(CliTest, MalformedCredentialsAreAnErrorAndAbsentOnesAreNone) {
  EXPECT_TRUE(CredentialsFile::Load(path("absent.json"))->sessions.empty());
  for (const char* bad :
       {"", "{", "[]", "{\"current_user\":1,\"sessions\":{}}",
        "{\"current_user\":\"a\",\"sessions\":{\"a\":{\"token\":1}}}",
        "{\"current_user\":\"a\",\"sessions\":{\"a\":{\"token\":\"t\",\"nodes\":[1],"
        "\"expires_at_ms\":1}}}"}) {
    ASSERT_TRUE(WritePrivateFile(path("bad.json"), bad).ok());
    EXPECT_TRUE(absl::IsDataLoss(CredentialsFile::Load(path("bad.json")).status())) << bad;
  }
}

// --- Texts ---

TEST(Printable, LetsNoEscapeSequenceThrough) {
  EXPECT_EQ(Printable("a\033[31mb\n\tc"), "a\xef\xbf\xbd[31mb\n\tc");
  EXPECT_EQ(Printable("\xc2\x9b"), "\xef\xbf\xbd");
  EXPECT_EQ(Printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(OneLine("ab\ncd", 80),
            "ab\xe2\x8f\x8e"
            "cd");
  EXPECT_EQ(OneLine("abcdef", 4), "abc\xe2\x80\xa6");
}

TEST(Table, AlignsColumnsByCharacters) {
  EXPECT_EQ(Table({{"a", "b"}, {"\xc3\xbc\xc3\xbc", "c"}}), "a   b\n\xc3\xbc\xc3\xbc  c\n");
}

TEST(Paint, OnlyWhenItIsOn) {
  EXPECT_EQ(Paint("x", Color::kRed, false), "x");
  EXPECT_EQ(Paint("x", Color::kRed, true), "\033[31mx\033[0m");
}

TEST(Texts, OfSizesAndTimes) {
  EXPECT_EQ(SizeText(812), "812 B");
  EXPECT_EQ(SizeText(1434), "1.4 KiB");
  EXPECT_EQ(DurationText(absl::Milliseconds(850)), "850ms");
  EXPECT_EQ(DurationText(absl::Seconds(102)), "1m42s");
  EXPECT_EQ(TimeText(0), "-");
  EXPECT_EQ(*ParseDuration("--for", "1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("--for", "0"), absl::ZeroDuration());
  EXPECT_FALSE(ParseDuration("--for", "-1s").ok());
}

TEST(Explain, ALockNamesItsHolderAndTheWayOut) {
  absl::Status status = absl::FailedPreconditionError("\"notes\" is locked by mia");
  client::SetDetail(status, {.reason = "LOCKED", .metadata = {{"holder", "mia"}}});
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kConflict);
  const std::string text = ErrorText(status);
  EXPECT_NE(text.find("error: \"notes\" is locked by mia\n"), std::string::npos) << text;
  EXPECT_NE(text.find("why: only the holder of the lock, mia,"), std::string::npos) << text;
  EXPECT_NE(text.find("--wait"), std::string::npos) << text;
  EXPECT_EQ(ErrorJson(status)["error"]["reason"], "LOCKED");
}

TEST(Explain, OutOfRangeIsOfEventsOnlyWhereItSaysWhichAreKept) {
  absl::Status status = absl::OutOfRangeError("Events after revision 1 are no longer kept.");
  client::SetDetail(status, {.reason = "OUT_OF_RANGE", .metadata = {{"oldest_revision", "7"}}});
  EXPECT_NE(ErrorText(status).find("--since"), std::string::npos);

  status = absl::OutOfRangeError("The document has no such version; list its versions.");
  client::SetDetail(status, {.reason = "OUT_OF_RANGE", .metadata = {}});
  EXPECT_EQ(ErrorText(status), "error: The document has no such version; list its versions.\n");
  EXPECT_EQ(ErrorText(WithVersionsFix(status, "notes")),
            "error: The document has no such version; list its versions.\n"
            "  fix: coterie history notes\n");
  EXPECT_EQ(WithVersionsFix(absl::NotFoundError("x"), "notes"), absl::NotFoundError("x"));
}

TEST(ContentFromJson, KeepsOrSaysWhatItDoesNotKeep) {
  const auto empty = ContentFromJson(R"({"":"","a":[],"m":{},"t":"x","n":[[]]})", 7);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->left_out, (std::vector<std::string>{"", "a", "m"}));
  EXPECT_EQ(*ContentAsJson(empty->update), R"({"t":"x","n":[[]]})");
  for (const char* large : {R"({"a":[1e400]})", R"({"m":{"n":{"x":-1e999}}})"}) {
    const absl::Status status = ContentFromJson(large, 7).status();
    EXPECT_NE(status.message().find("a number is too large"), std::string::npos) << status;
  }
  EXPECT_EQ(*RootsOf(empty->update), (std::vector<std::string>{"t", "n"}));
}

TEST(ToJson, UsesTheProtosNamesAndPlainNumbers) {
  v1::GetStatusResponse status;
  status.set_leader_id(1);
  v1::NodeStatus& node = *status.add_nodes();
  node.set_role(v1::NODE_ROLE_LEADER);
  node.set_term(18446744073709551615ULL);
  node.add_alarms("NOSPACE");
  const nlohmann::json json = ToJson(status);
  EXPECT_EQ(json["leader_id"], 1);
  EXPECT_EQ(json["nodes"][0]["role"], "leader");
  EXPECT_EQ(json["nodes"][0]["term"], 18446744073709551615ULL);
  EXPECT_EQ(json["nodes"][0]["alarms"][0], "NOSPACE");
  EXPECT_EQ(json["nodes"][0]["is_reachable"], false);
  EXPECT_EQ(JsonText({{"a", "\xff"}}), "{\"a\":\"\xef\xbf\xbd\"}");
  EXPECT_EQ(JsonText({{"a", "\033\x7f\xc2\x9b\xc3\xbc"}}),
            "{\"a\":\"\\u001b\\u007f\\u009b\xc3\xbc\"}");
}

TEST(EventText, ReadsAsAPersonWouldSayIt) {
  EventText text;
  v1::Event event;
  event.set_user("mia");
  event.mutable_document_created()->set_document_id(7);
  event.mutable_document_created()->set_name("notes");
  EXPECT_EQ(text.Line(event), "mia created notes");
  v1::DocumentChanged& changed = *event.mutable_document_changed();
  changed.set_document_id(7);
  changed.set_kind(v1::CHANGE_KIND_WRITE);
  changed.add_changes()->set_inserted("hi\033[2J\n");
  EXPECT_EQ(text.Line(event), "mia wrote notes  +\"hi [2J\xe2\x8f\x8e\"");
  event.mutable_left()->set_reason(v1::Left::REASON_LEASE_EXPIRED);
  EXPECT_EQ(text.Line(event), "mia is gone (no sign of life)");
  event.clear_body();
  EXPECT_NE(text.Line(event), "");
}

// --- Signals ---

TEST(InterruptWatch, HearsCtrlCThoughOtherThreadsTakeSignals) {
  absl::Notification done;
  const std::jthread other([&done] { done.WaitForNotification(); });
  {
    const InterruptWatch watch([] {});
    ASSERT_EQ(kill(getpid(), SIGINT), 0);
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!watch.IsInterrupted() && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_TRUE(watch.IsInterrupted());
  }
  done.Notify();
}

// --- A local cluster ---

// --- doc doctor ---

TEST_F(CliTest, TheDoctorDescribesMendsAndCompares) {
  // Client 1 wrote "ab" into the root "t", in two groups, and something follows.
  const unsigned char bytes[] = {2, 1, 1, 0,    4, 1, 1, 't', 1, 'a',
                                 1, 1, 1, 0x84, 1, 0, 1, 'b', 0, 0xff};
  std::ofstream(path("two.bin"), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes), sizeof(bytes));

  EXPECT_EQ(Do({"doc", "doctor", path("two.bin")}), ExitCode::kOther);
  EXPECT_NE(out_.find("at byte 10: a client has two groups (client 1)"), std::string::npos) << out_;
  EXPECT_NE(out_.find("root \"t\": 1 items"), std::string::npos) << out_;
  EXPECT_NE(err_.find("--repair -o"), std::string::npos) << err_;

  EXPECT_EQ(Do({"doc", "doctor", path("two.bin"), "--repair"}), ExitCode::kUsage);
  EXPECT_EQ(Do({"doc", "doctor", path("two.bin"), "--squash", "-o", path("x.bin")}),
            ExitCode::kOther);
  EXPECT_EQ(Do({"doc", "doctor", path("two.bin"), "--repair", "--squash", "--format", "v2", "-o",
                path("mended.bin")}),
            ExitCode::kOk);
  EXPECT_EQ(Do({"doc", "doctor", path("mended.bin"), "--json"}), ExitCode::kOk);
  const nlohmann::json json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["format"], "v2");
  EXPECT_EQ(json["contents"]["string"]["structs"], 1);
  EXPECT_EQ(json["clients"][0]["end"], 2);

  std::ofstream(path("empty.bin"), std::ios::binary).write("\0\0", 2);
  EXPECT_EQ(Do({"doc", "doctor", path("mended.bin"), "--diff", path("empty.bin")}), ExitCode::kOk);
  EXPECT_NE(out_.find("0..2"), std::string::npos) << out_;
  EXPECT_EQ(Do({"doc", "doctor", path("nothing.bin")}), ExitCode::kNotFound);
}

class DoctorOfFiles : public CliTest {
 protected:
  void Put(const std::string& name, const std::string& bytes) {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  ExitCode Doctor(const std::string& name, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"doc", "doctor", path(name)});
    return Do(flags);
  }
  std::string File(const std::string& name) {
    std::ostringstream bytes;
    bytes << std::ifstream(path(name), std::ios::binary).rdbuf();
    return bytes.str();
  }

  // Client 1 wrote "a" and then "b" into the root "t", each in an update of its own.
  const std::string a_{
      "\x01\x01\x01\x00\x04\x01\x01t\x01"
      "a\x00",
      11};
  const std::string b_{
      "\x01\x01\x01\x01\x84\x01\x00\x01"
      "b\x00",
      10};
};

TEST_F(DoctorOfFiles, UpdatesOneBehindTheOtherAreMergedAndWhatIsLostIsTold) {
  Put("two", a_ + b_ + "xyz");
  EXPECT_EQ(Doctor("two"), ExitCode::kOther);
  EXPECT_EQ(Doctor("two", {"--repair", "-o", path("mended")}), ExitCode::kOk) << err_;
  EXPECT_NE(err_.find("merged at byte 11: other updates follow (1)"), std::string::npos) << err_;
  EXPECT_NE(err_.find("3 bytes are lost"), std::string::npos) << err_;
  EXPECT_EQ(Doctor("mended", {"--json"}), ExitCode::kOk);
  EXPECT_EQ(nlohmann::json::parse(out_)["clients"][0]["end"], 2);
}

TEST_F(DoctorOfFiles, WhatIsBrokenIsSalvagedOnlyWhenAsked) {
  Put("cut", a_.substr(0, a_.size() - 1));
  EXPECT_EQ(Doctor("cut", {"--repair", "-o", path("part")}), ExitCode::kOther);
  EXPECT_NE(err_.find("--salvage -o PART"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(path("part")));
  EXPECT_EQ(Doctor("cut", {"--salvage", "-o", path("part")}), ExitCode::kOk) << err_;
  EXPECT_NE(err_.find("may be there again"), std::string::npos) << err_;
  EXPECT_EQ(File("part"), a_);

  Put("nothing", a_.substr(0, 5));
  EXPECT_EQ(Doctor("nothing", {"--salvage", "-o", path("none")}), ExitCode::kOther);
  EXPECT_NE(err_.find("nothing of this one can be read"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(path("none")));
}

TEST_F(DoctorOfFiles, AnUpdateThatBuildsOnOthersSaysForWhatItWaits) {
  Put("b", b_);
  EXPECT_EQ(Doctor("b"), ExitCode::kOk) << err_;
  EXPECT_NE(out_.find("waits for client 1 up to clock 0\n"), std::string::npos) << out_;
  EXPECT_EQ(Doctor("b", {"--json"}), ExitCode::kOk);
  EXPECT_EQ(nlohmann::json::parse(out_)["waits_for"][0]["clock"], 0);

  Put("deletion", std::string("\x00\x01\x09\x01\x00\x01", 6));
  EXPECT_EQ(Doctor("deletion"), ExitCode::kOk) << err_;
  EXPECT_NE(out_.find("waits for 1 clocks that it deletes"), std::string::npos) << out_;
  Put("a", a_);
  EXPECT_EQ(Doctor("a"), ExitCode::kOk) << err_;
  EXPECT_EQ(out_.find("waits"), std::string::npos) << out_;
}

TEST_F(DoctorOfFiles, AMistypedNameIsNoFile) {
  setenv("COTERIE_USER", "mia", 1);
  setenv("COTERIE_PASSWORD", "x", 1);
  EXPECT_EQ(Do({"doc", "doctor", "no-such.bin", "--nodes", "127.0.0.1:1"}), ExitCode::kUnavailable);
  EXPECT_NE(err_.find("no such file: no-such.bin; and no document"), std::string::npos) << err_;
}

TEST_F(CliTest, UpExplainsWhatIsMissing) {
  EXPECT_EQ(Do({"up", "--data", path("d"), "--node-program", "/nowhere/coterie-node"}),
            ExitCode::kNotFound);
  EXPECT_EQ(Do({"down", "--data", path("d")}), ExitCode::kNotFound);
  EXPECT_EQ(Do({"up", "--nodes", "0"}), ExitCode::kUsage);
}

TEST_F(CliTest, ANodeThatEndsAtOnceIsReportedWithItsLog) {
  const std::string program = path("coterie-node");
  std::ofstream(program) << "#!/bin/sh\necho no such disk >&2\nexit 3\n";
  ASSERT_EQ(chmod(program.c_str(), 0755), 0);
  const std::optional<int> port = FindFreePorts(56000, 3);
  ASSERT_TRUE(port.has_value());
  EXPECT_EQ(Do({"up", "--data", path("d"), "--node-program", program, "--grpc-port",
                std::to_string(*port)}),
            ExitCode::kUnavailable);
  EXPECT_NE(err_.find("exit code 3"), std::string::npos) << err_;
  EXPECT_NE(err_.find("no such disk"), std::string::npos) << err_;
}

// --- The cluster page's requests ---

TEST(ControlRequests, NameTheTokenTheVerbAndTheNode) {
  const std::string origin = "Host: 127.0.0.1:9\r\norigin:  http://localhost:8080 \r\n\r\n";
  const auto kill = ParseControlRequest("POST /abc/nodes/2/kill HTTP/1.1\r\n" + origin, "abc");
  ASSERT_TRUE(kill.has_value());
  EXPECT_EQ(kill->verb, ControlRequest::Verb::kKill);
  EXPECT_EQ(kill->node, 2u);
  EXPECT_EQ(kill->origin, "http://localhost:8080");
  const auto list = ParseControlRequest("GET /abc/nodes HTTP/1.1\r\n\r\n", "abc");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->verb, ControlRequest::Verb::kList);
  EXPECT_EQ(list->origin, "");

  for (const std::string bad :
       {"POST /abd/nodes/2/kill HTTP/1.1\r\n\r\n", "POST /ab/nodes/2/kill HTTP/1.1\r\n\r\n",
        "POST /nodes/2/kill HTTP/1.1\r\n\r\n", "GET /abc/nodes/2/kill HTTP/1.1\r\n\r\n",
        "POST /abc/nodes HTTP/1.1\r\n\r\n", "POST /abc/nodes/x/kill HTTP/1.1\r\n\r\n",
        "POST /abc/nodes/2/eat HTTP/1.1\r\n\r\n", "POST /abc/nodes/2/kill HTTP/1.1\r\n",
        "POST /abc/nodes/2/kill\r\n\r\n", "\r\n\r\n", ""}) {
    EXPECT_FALSE(ParseControlRequest(bad, "abc").has_value()) << bad;
  }
}

}  // namespace
}  // namespace coterie::cli
