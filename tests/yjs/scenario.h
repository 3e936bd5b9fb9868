#pragma once

// What several clients do to one document, drawn from a seed: edits of every kind, and updates
// exchanged one by one, merged, diffed, whole, twice, out of order, in both formats. It is a list
// of the oracle's commands (world.mjs); because positions are taken modulo lengths there, every
// part of a scenario is a scenario. Pure functions.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace coterie::tests {

using Json = nlohmann::json;

struct Scenario {
  std::vector<Json> commands;

  // One line: a request to the oracle.
  std::string ToRequest() const;
};

// What is edited, mostly.
// kFront: all write at the front of a list or text, hearing of each other rarely, so that very much
// has the same neighbour and other neighbours on the other side.
enum class Subject : std::uint8_t { kText, kRichText, kArray, kMap, kXml, kFront, kEverything };
inline constexpr std::uint64_t kSubjects = 7;

struct ScenarioLimits {
  std::size_t commands = 60;       // Edits and exchanges, about.
  std::optional<Subject> subject;  // Else drawn.
  // Whether attributes may have objects as values where text is deleted as well. Yjs compares those
  // by their identity in memory when it cleans marks up behind a deletion (cleanupFormattingGap in
  // YText.js), so what it deletes depends on whether the marks came in one transaction or over the
  // wire.
  bool has_object_attributes = false;
};

Scenario DrawScenario(std::uint64_t seed, const ScenarioLimits& limits);

// What a scenario exchanges at most, in updates that somebody applies.
std::size_t CountExchanged(const Scenario& scenario);

}  // namespace coterie::tests
