// Transcripts: each file of testdata/ is a script of commands, each followed by everything that the
// cluster did. A difference fails; COTERIE_REWRITE=1 writes what happened into the files instead,
// for a human to read in the diff. `expect` lines state the point of a script and are never
// rewritten.
//
//   new voters=3 [servers=4] [incarnations]     a cluster; terms, logs and disks are empty
//   campaign 1 | tick 1 [5] | propose 1 text | read 1 | transfer 1 [to=2] | stalled 1
//   reconfigure 1 [add=4] [promote=4] [demote=2] [remove=3]
//   deliver [from=1] [to=2] [type=append]   what is in the network now and fits, in order
//   drop ... | duplicate ... | network      the same choice
//   write 1 | apply 1            the oldest job of the log or the apply thread completes
//   stabilize [1 2]              deliver and complete until nothing is left (among these)
//   cut 1 2 | heal               both ways
//   crash 1 | restart 1 | wipe 1 | snapshot 1 | send 1 [fail] | install 1 [fail]
//   status [1] | quiet | loud    print states; stop and resume the tracing
//   expect 1 role=leader term=2 commit=3 last=4 applied=3 voters=1,2,3
//   expect refused               the last command was
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "raft/testing/cluster.h"
#include "raft/testing/describe.h"

namespace coterie::raft::testing {
namespace {

struct Line {
  std::string command;
  std::vector<std::string> words;  // Without key=value ones.
  std::map<std::string, std::string> values;
  bool Has(const std::string& word) const { return std::ranges::count(words, word) > 0; }
  NodeId Id(std::size_t position = 0) const { return NodeId(std::stoull(words.at(position))); }
};

Line Parse(const std::string& text) {
  std::istringstream in(text);
  Line line;
  in >> line.command;
  for (std::string word; in >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      line.words.push_back(word);
    } else {
      line.values[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  return line;
}

std::string List(const std::vector<NodeId>& ids) {
  std::string text;
  for (const NodeId id : ids) text += (text.empty() ? "" : ",") + std::to_string(id.value());
  return text;
}

std::vector<NodeId> Ids(const std::string& list) {
  std::vector<NodeId> ids;
  std::istringstream in(list);
  for (std::string id; std::getline(in, id, ',');) ids.push_back(NodeId(std::stoull(id)));
  return ids;
}

class Stage {
 public:
  // What the command made happen, a line each.
  std::string Run(const Line& line) {
    output_.clear();
    if (line.command == "expect") {
      Expect(line);
      return "";
    }
    if (line.command == "new") {
      New(line);
    } else if (!Drive(line) && !Act(line) && !Move(line)) {
      output_ = "unknown command " + line.command + "\n";
    }
    last_output_ = output_;
    return output_;
  }

 private:
  void Print(const std::string& text) { output_ += text + "\n"; }

  void New(const Line& line) {
    const std::size_t voters = std::stoull(line.values.at("voters"));
    const auto servers = line.values.find("servers");
    cluster_ = std::make_unique<Cluster>(
        voters, servers == line.values.end() ? voters : std::stoull(servers->second), 1);
    // Incarnations are written down in an entry of their own; most scripts are about other things.
    for (const NodeId id : cluster_->ids()) {
      if (line.Has("incarnations")) break;
      cluster_->Crash(id);
      cluster_->server(id).incarnation = Incarnation();
      cluster_->Restart(id);
    }
    cluster_->trace = [this](const std::string& text) {
      if (!is_quiet_) Print(text);
    };
  }

  // Inputs of one core.
  bool Drive(const Line& line) {
    const std::string& name = line.command;
    if (name == "tick") {
      const std::size_t count = line.words.size() > 1 ? std::stoull(line.words[1]) : 1;
      for (std::size_t i = 0; i < count; ++i) cluster_->Tick(line.Id());
    } else if (name == "campaign") {
      cluster_->core(line.Id()).Campaign();
      cluster_->Drain(line.Id());
    } else if (name == "propose") {
      if (!cluster_->Propose(line.Id(), line.words.at(1))) Print("refused");
    } else if (name == "read") {
      cluster_->Read(line.Id());
    } else if (name == "transfer") {
      const auto to = line.values.find("to");
      const NodeId target = to == line.values.end() ? NodeId() : Ids(to->second)[0];
      if (cluster_->core(line.Id()).Transfer(target)) Print("refused");
      cluster_->Drain(line.Id());
    } else if (name == "stalled") {
      cluster_->core(line.Id()).Step(DiskStalled{});
      cluster_->Drain(line.Id());
    } else if (name == "reconfigure") {
      Reconfigure(line);
    } else {
      return false;
    }
    return true;
  }

  void Reconfigure(const Line& line) {
    MembershipChange change;
    for (const auto& [key, list] : line.values) {
      for (const NodeId id : Ids(list)) {
        if (key == "add") change.add_learners.push_back({.id = id});
        if (key == "promote") change.promote.push_back(id);
        if (key == "demote") change.demote.push_back(id);
        if (key == "remove") change.remove.push_back(id);
      }
    }
    const ProposeResult result = cluster_->core(line.Id()).Reconfigure(change);
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      Print("refused " + std::to_string(static_cast<int>(*refusal)));
    }
    cluster_->Drain(line.Id());
  }

  // What threads, disks and machines do.
  bool Act(const Line& line) {
    const std::string& name = line.command;
    if (name == "write") {
      cluster_->CompleteAppend(line.Id());
    } else if (name == "apply") {
      cluster_->CompleteApply(line.Id());
    } else if (name == "send") {
      cluster_->CompleteSend(line.Id(), !line.Has("fail"));
    } else if (name == "install") {
      cluster_->CompleteInstall(line.Id(), !line.Has("fail"));
    } else if (name == "snapshot") {
      cluster_->TakeSnapshot(line.Id());
    } else if (name == "crash") {
      // A script says itself what became durable.
      cluster_->server(line.Id()).jobs.clear();
      cluster_->Crash(line.Id());
    } else if (name == "restart") {
      cluster_->Restart(line.Id());
    } else if (name == "wipe") {
      cluster_->Wipe(line.Id());
    } else {
      return false;
    }
    return true;
  }

  // The network, and looking on.
  bool Move(const Line& line) {
    const std::string& name = line.command;
    if (name == "deliver" || name == "drop" || name == "duplicate") {
      Choose(line);
    } else if (name == "network") {
      for (const Message& message : cluster_->network()) Print(Describe(message));
    } else if (name == "stabilize") {
      Stabilize(line);
    } else if (name == "cut") {
      cluster_->cuts.insert({line.Id(0), line.Id(1)});
      cluster_->cuts.insert({line.Id(1), line.Id(0)});
    } else if (name == "heal") {
      cluster_->cuts.clear();
    } else if (name == "quiet" || name == "loud") {
      is_quiet_ = name == "quiet";
    } else if (name == "status") {
      for (const NodeId id : cluster_->ids()) {
        if (line.words.empty() || line.Id() == id) Print(Status(id));
      }
    } else {
      return false;
    }
    return true;
  }

  static bool Fits(const Line& line, const Message& message) {
    const auto is = [&](const char* key, const std::string& value) {
      const auto wanted = line.values.find(key);
      return wanted == line.values.end() || value.starts_with(wanted->second);
    };
    // "1>2 t3 append ..." without the first two words.
    const std::string text = Describe(message);
    const std::string body = text.substr(text.find(' ', text.find(' ') + 1) + 1);
    return is("from", std::to_string(message.from.value())) &&
           is("to", std::to_string(message.to.value())) && is("type", body);
  }

  // What these messages bring about is for the next command.
  void Choose(const Line& line) {
    std::vector<Message>& network = cluster_->network();
    std::size_t looked_at = network.size();
    std::size_t position = 0;
    for (; looked_at > 0; --looked_at) {
      if (!Fits(line, network[position])) {
        ++position;
      } else if (line.command == "duplicate") {
        network.push_back(Message(network[position++]));
      } else if (line.command == "drop") {
        Print("dropped " + Describe(network[position]));
        network.erase(network.begin() + static_cast<std::ptrdiff_t>(position));
      } else {
        cluster_->Deliver(position);
      }
    }
  }

  void Stabilize(const Line& line) {
    const auto takes_part = [&](NodeId id) {
      return line.words.empty() || line.Has(std::to_string(id.value()));
    };
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      for (const NodeId id : cluster_->ids()) {
        if (!takes_part(id)) continue;
        while (cluster_->CompleteAppend(id) || cluster_->CompleteApply(id) ||
               cluster_->CompleteSend(id, true) || cluster_->CompleteInstall(id, true)) {
          is_busy = true;
        }
      }
      for (std::size_t i = 0; i < cluster_->network().size();) {
        const Message& message = cluster_->network()[i];
        if (!takes_part(message.from) || !takes_part(message.to)) {
          ++i;
          continue;
        }
        cluster_->Deliver(i);
        is_busy = true;
      }
    }
  }

  std::string Status(NodeId id) {
    if (!cluster_->IsUp(id)) return std::to_string(id.value()) + " down";
    std::string text = std::to_string(id.value());
    for (const auto& [key, value] : Facts(id)) text += " " + key + "=" + value;
    return text;
  }

  std::map<std::string, std::string> Facts(NodeId id) {
    if (!cluster_->IsUp(id)) return {{"role", "down"}};
    const Core& core = cluster_->core(id);
    return {{"role", Describe(core.role())},
            {"term", std::to_string(core.term().value())},
            {"leader", std::to_string(core.leader().value())},
            {"commit", std::to_string(core.commit_index().value())},
            {"applied", std::to_string(core.applied_index().value())},
            {"first", std::to_string(core.first_index().value())},
            {"last", Describe(core.last())},
            {"durable", std::to_string(core.durable_index().value())},
            {"voters", List(core.configuration().voters)},
            {"outgoing", List(core.configuration().voters_outgoing)},
            {"learners", List(core.configuration().learners)}};
  }

  void Expect(const Line& line) {
    if (line.Has("refused")) {
      EXPECT_TRUE(last_output_.starts_with("refused")) << last_output_;
      return;
    }
    const auto facts = Facts(line.Id());
    for (const auto& [key, value] : line.values) {
      const auto fact = facts.find(key);
      EXPECT_EQ(fact == facts.end() ? "nothing" : fact->second, value)
          << "server " << line.words[0] << ", " << key;
    }
  }

  std::unique_ptr<Cluster> cluster_;
  std::string output_;
  std::string last_output_;
  bool is_quiet_ = false;
};

// A command starts at the margin behind "> "; what it brought about follows. The rest is prose.
std::string Replay(const std::string& script) {
  Stage stage;
  std::istringstream in(script);
  std::string out;
  int number = 0;
  bool is_output = false;
  for (std::string text; std::getline(in, text);) {
    ++number;
    if (text.starts_with("> ")) {
      SCOPED_TRACE("line " + std::to_string(number) + ": " + text);
      out += text + "\n" + stage.Run(Parse(text.substr(2)));
      is_output = true;
    } else if (text.empty() || text.starts_with("#")) {
      out += text + "\n";
      is_output = false;
    } else if (!is_output) {
      out += text + "\n";
    }
  }
  return out;
}

std::vector<std::filesystem::path> Scripts() {
  std::vector<std::filesystem::path> scripts;
  for (const auto& file : std::filesystem::directory_iterator("testdata")) {
    if (file.path().extension() == ".txt") scripts.push_back(file.path());
  }
  std::ranges::sort(scripts);
  return scripts;
}

TEST(Transcripts, AreAsWritten) {
  const std::vector<std::filesystem::path> scripts = Scripts();
  ASSERT_FALSE(scripts.empty());
  for (const std::filesystem::path& script : scripts) {
    SCOPED_TRACE(script.string());
    std::ifstream file(script);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::string replayed = Replay(text);
    if (std::getenv("COTERIE_REWRITE") != nullptr) {
      std::ofstream(script) << replayed;
    } else {
      EXPECT_EQ(replayed, text);
    }
  }
}

}  // namespace
}  // namespace coterie::raft::testing
