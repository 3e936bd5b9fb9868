// Plays src/crdt/testdata/yjs/*.txt, which the real Yjs was recorded on (recorder.mjs says how to
// read them), on our engine. Needs no Node.

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "crdt/snapshot.h"
#include "tests/yjs/engine_world.h"

namespace coterie::tests {
namespace {

struct Line {
  std::string verb;
  std::string rest;
};

struct Vector {
  std::string name;
  std::vector<Line> lines;
};

std::vector<Vector> ReadVectors(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t end = std::min(line.find(' '), line.size());
    Line read{.verb = line.substr(0, end), .rest = line.substr(std::min(end + 1, line.size()))};
    if (read.verb == "vector") {
      vectors.push_back({.name = path.stem().string() + "/" + read.rest, .lines = {}});
    } else {
      vectors.back().lines.push_back(std::move(read));
    }
  }
  return vectors;
}

// What the engine has no counterpart of under the oracle's commands is tested where it lives.
bool CanPlay(const Vector& vector) {
  static constexpr std::string_view kElsewhere[] = {"undo", "redo", "as-of", "delta-of"};
  return std::none_of(vector.lines.begin(), vector.lines.end(), [](const Line& line) {
    return std::find(std::begin(kElsewhere), std::end(kElsewhere), line.verb) !=
           std::end(kElsewhere);
  });
}

std::string Base64OfHex(const std::string& hex) {
  return absl::Base64Escape(absl::HexStringToBytes(hex));
}

// Of bytes in base64 hexadecimal, for messages that can be compared with the file.
std::string Shown(const Json& events) {
  std::string shown;
  for (const Json& event : events) {
    std::string bytes;
    absl::Base64Unescape(event.is_string() ? event.get<std::string>() : "", &bytes);
    shown += (event.is_string() ? absl::BytesToHexString(bytes) : event.dump()) + "\n";
  }
  return shown;
}

class Player {
 public:
  explicit Player(const Vector& vector) : vector_(vector) {}

  void Play() {
    for (at_ = 0; at_ < vector_.lines.size(); ++at_) {
      const Line& line = vector_.lines[at_];
      SCOPED_TRACE(vector_.name + ": " + line.verb + " " + line.rest.substr(0, 200));
      Perform(line);
    }
    world_.CheckInvariants();
  }

 private:
  void Perform(const Line& line) {
    std::istringstream words(line.rest);
    if (line.verb == "gc") {
      world_.Perform({"doc.new", 0, {{"client", 1}, {"gc", line.rest == "on"}}});
    } else if (line.verb == "edit") {
      Json command = {"edit", 0};
      for (const Json& edit : Json::parse(line.rest)) command.push_back(edit);
      ExpectEvents(world_.Perform(command));
    } else if (line.verb == "apply") {
      int version = 0;
      std::string update;
      words >> version >> update;
      ExpectEvents(world_.Perform({"apply", 0, Base64OfHex(update), version}));
    } else if (line.verb == "state") {
      int version = 0;
      std::string state;
      words >> version >> state;
      EXPECT_EQ(Shown({world_.Perform({"encode", 0, version})}), state + "\n");
    } else if (line.verb == "state-vector") {
      EXPECT_EQ(Shown({world_.Perform({"vector", 0})}), line.rest + "\n");
    } else if (line.verb == "missing") {
      EXPECT_TRUE(world_.HasPending());
    } else if (line.verb == "view") {
      const Json view = Json::parse(line.rest);
      for (const auto& [name, ignored] : view.items()) {
        world_.Perform({"roots", 0, Json::array({name + ":" + name})});
      }
      EXPECT_EQ(Plain(world_.Perform({"view", 0})), Plain(view));
    }
  }

  // The `event` lines that follow.
  void ExpectEvents(const Json& events) {
    std::string wanted;
    while (at_ + 1 < vector_.lines.size() && vector_.lines[at_ + 1].verb == "event") {
      wanted += vector_.lines[++at_].rest + "\n";
    }
    EXPECT_EQ(Shown(events), wanted);
  }

  const Vector& vector_;
  EngineWorld world_;
  std::size_t at_ = 0;
};

TEST(YjsVectors, AreWhatYjsDoes) {
  int played = 0;
  for (const auto& entry : std::filesystem::directory_iterator(COTERIE_YJS_VECTORS)) {
    for (const Vector& vector : ReadVectors(entry.path())) {
      // Yjs's own clean-up after remote changes is not ours.
      if (!CanPlay(vector) || vector.name == "concurrency/marks-with-cleanup") continue;
      Player(vector).Play();
      ++played;
    }
  }
  EXPECT_GE(played, 30);
}

}  // namespace
}  // namespace coterie::tests
