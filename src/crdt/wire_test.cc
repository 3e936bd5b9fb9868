// Every line of testdata/wire.txt is something that the real yjs did with some bytes; see there.

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "crdt/merge.h"
#include "crdt/test_bytes.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

using Inputs = std::vector<std::string>;

std::string Said(const Malformed& malformed) {
  return "malformed at " + std::to_string(malformed.offset_bytes) + ": " +
         std::string(malformed.reason);
}

std::string Merge(const Inputs& inputs) {
  const std::vector<std::string_view> updates(inputs.begin(), inputs.end());
  const MergeResult merged = MergeUpdates(updates);
  return merged.malformed ? Said(merged.malformed) : merged.update;
}

std::string Diff(const Inputs& inputs) {
  UpdateView view;
  if (const Malformed malformed = UpdateView::Open(inputs.at(0), view)) return Said(malformed);
  Lib0Reader reader(inputs.at(1));
  return view.Diff(StateVector::Decode(reader));
}

std::string Vector(const Inputs& inputs) {
  UpdateView view;
  if (const Malformed malformed = UpdateView::Open(inputs.at(0), view)) return Said(malformed);
  return view.state_vector().Encode();
}

std::string ToV2(const Inputs& inputs) {
  const Transcoded made = TranscodeToV2(inputs.at(0));
  return made.malformed ? Said(made.malformed) : made.update;
}

std::string ToV1(const Inputs& inputs) {
  const Transcoded made = TranscodeToV1(inputs.at(0), std::size_t{1} << 20);
  return made.malformed ? Said(made.malformed) : made.update;
}

// Yjs throws on these bytes: "refused" is what is expected, and the reason what is not compared.
std::string Validate(const Inputs& inputs) {
  return ValidateUpdate(inputs.at(0)) ? "refused" : "accepted";
}

TEST(Wire, IsWhatYjsMakesOfIt) {
  const std::map<std::string, std::function<std::string(const Inputs&)>> verbs = {
      {"merge", Merge},       {"diff", Diff}, {"vector", Vector},
      {"validate", Validate}, {"v2", ToV2},   {"v1", ToV1}};
  const char* path = std::getenv("COTERIE_WIRE");  // NOLINT(concurrency-mt-unsafe)
  std::ifstream file(path != nullptr ? path : "testdata/wire.txt");
  ASSERT_TRUE(file.is_open());
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string verb, word;
    words >> verb;
    Inputs inputs;
    while (words >> word && word != "=") inputs.push_back(FromHex(word));
    words >> word;
    const bool is_word = verb == "validate";
    const std::string expected = is_word ? word : FromHex(word);

    const std::string actual = verbs.at(verb)(inputs);

    const bool is_said = actual.rfind("malformed", 0) == 0;
    ASSERT_EQ(is_word || is_said ? actual : ToHex(actual), is_word ? expected : ToHex(expected))
        << line.substr(0, 2000);
    ++lines;
  }
  EXPECT_GT(lines, 0);
}

}  // namespace
}  // namespace coterie::crdt
