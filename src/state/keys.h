#pragma once

// The keys under which the machine's state lies in the Kv: a letter for the table, then numbers as
// eight big-endian bytes each, so that the byte order is the numbers' order. Private to state/.
//
//   "applied"                       Applied                     "meta"       Meta
//   "fault"                         why this state diverged     "needed"   the level that reads all
//   "writers"                       Beginning::writers_seed
//   u name                          User                        s session    SessionRecord
//   o session client sequence       OutcomeRecord               c session client   EvictedClient
//   d doc                           DocumentRecord              h doc        ContentHead
//   l doc                           LockRecord                  e revision   EventBatch
//   v doc ordinal                   VersionRecord               w doc ordinal   VersionDelta
//   b doc ordinal piece             a piece of a Checkpoint
//   y doc ordinal                   VersionRecord, archived     x doc ordinal   its update
//   k doc ordinal piece             a piece of an archived Checkpoint
//   g doc batch ordinal             SuggestionRecord
//   r doc draft                     DraftRecord          q doc draft    its update

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/ids.h"

namespace coterie::state {

inline constexpr std::string_view kMetaKey = "meta";
inline constexpr std::string_view kFaultKey = "fault";
inline constexpr std::string_view kLevelKey = "needed";
inline constexpr std::string_view kWritersKey = "writers";

class Key {
 public:
  template <class... Numbers>
  explicit Key(char table, Numbers... numbers) {
    bytes_[0] = table;
    size_ = 1;
    (Add(ValueOf(numbers)), ...);
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  static std::uint64_t ValueOf(std::uint64_t number) { return number; }
  template <class Tag>
  static std::uint64_t ValueOf(Tagged<Tag> id) {
    return id.value();
  }
  void Add(std::uint64_t number) {
    CHECK(size_ + 8 <= bytes_.size());
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes_[size_++] = static_cast<char>(number >> shift);
  }

  std::array<char, 25> bytes_{};
  std::size_t size_ = 0;
};

inline std::string UserKey(std::string_view name) { return std::string("u").append(name); }

// The number in the `position`-th place of a key; 0 if the key is too short.
inline std::uint64_t NumberInKey(std::string_view key, std::size_t position) {
  const std::size_t begin = 1 + 8 * position;
  if (key.size() < begin + 8) return 0;
  std::uint64_t number = 0;
  for (std::size_t i = begin; i < begin + 8; ++i) {
    number = (number << 8) | static_cast<unsigned char>(key[i]);
  }
  return number;
}

}  // namespace coterie::state
