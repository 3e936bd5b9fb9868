#pragma once

// Reads a Yjs update, format V1, one struct after the other, without building anything: views into
// the bytes. All that an update can say is checked here, so that who holds a StructView holds
// something that every Yjs client can read; what needs other structs (does the parent exist?) is
// for who integrates.
//
//   update      := groups:varUint group*  delete set
//   group       := structs:varUint client:varUint clock:varUint struct*    (clocks follow on)
//   struct      := info:u8 [origin] [right origin] [parent] [parent sub] content
//   delete set  := see crdt/delete_set.h
//
// Pure values; one owner. Source: yjs 13.6, src/utils/encoding.js, src/structs/*.js.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "crdt/id.h"
#include "crdt/lib0.h"

namespace coterie::crdt {

// What a struct holds; the numbers are those of the format. kGc and kSkip are structs of their own,
// all else is an item's content.
enum class ContentKind : std::uint8_t {
  kGc = 0,       // Something that was deleted and forgotten, with its place.
  kDeleted = 1,  // Something that was deleted; its place is kept.
  kJson = 2,     // n strings of JSON; "undefined" is allowed. Of old documents.
  kBinary = 3,
  kString = 4,
  kEmbed = 5,   // One value of JSON within a text.
  kFormat = 6,  // A formatting mark: key, value of JSON (null = ends).
  kType = 7,    // A nested array, map, text or XML node.
  kAny = 8,     // n values.
  kDoc = 9,     // A subdocument: its guid and options, an object.
  kSkip = 10,   // Nothing: this update does not have these clocks.
};

// What a kType holds; the numbers are those of the format.
enum class TypeKind : std::uint8_t {
  kArray = 0,
  kMap = 1,
  kText = 2,
  kXmlElement = 3,
  kXmlFragment = 4,
  kXmlHook = 5,
  kXmlText = 6,
};
inline constexpr std::uint64_t kTypeKindMax = 6;

// Where an item says that it belongs.
enum class ParentKind : std::uint8_t {
  kNeighbour,  // Where its origin or right origin is; nothing is written.
  kRoot,       // A root type, by name.
  kItem,       // The type in an item.
};

struct StructView {
  Id id;
  Clock length = 0;  // Never 0; id.clock + length <= kClockMax.
  ContentKind content = ContentKind::kGc;
  ParentKind parent = ParentKind::kNeighbour;
  bool has_origin = false;
  bool has_right_origin = false;
  bool has_parent_sub = false;  // Also set, without a string, where the parent is the neighbour's.
  Id origin;
  Id right_origin;
  Id parent_item;
  std::string_view parent_root;
  std::string_view parent_sub;  // A key of a map, or the name of an attribute.
  // kString: the text. Else: the content as it is written. Empty for kGc, kDeleted and kSkip, whose
  // length says all.
  std::string_view payload;
};

inline constexpr std::string_view kDependsOnLater =
    "an item depends on a later one of its own client";

// The same struct to who only counts or copies it.
struct StructSpan {
  Id id;
  Clock length = 0;
  ContentKind content = ContentKind::kGc;
  // The first byte has bits that say nothing here and that Yjs clears when it copies the struct:
  // see CanonicalInfo().
  bool has_idle_bits = false;
  std::string_view bytes;
};

// Structs of one client that follow each other.
struct StructRun {
  Id first;
  Clock end = 0;  // Behind the last one's clocks.
  std::uint64_t structs = 0;
  std::string_view bytes;  // All of them.
};
// A struct of a text, told in full but without what is rare: of the reader's client, a string or
// kDeleted, with a neighbour.
struct TextStruct {
  Clock clock = 0;
  Clock length = 0;
  // So many structs stand right behind it, as long in bytes and with the same right origin, each of
  // which is one ASCII letter, its last byte, whose origin is the one before.
  std::uint32_t letters = 0;
  ContentKind content = ContentKind::kString;
  bool has_origin = false;
  bool has_right_origin = false;
  Id origin;  // Zero if it has none, as is the right one.
  Id right_origin;
  std::string_view bytes;  // As it is written; the text, if any, is their end.
  std::size_t text_bytes = 0;

  // So many bytes can be read at least from where the text begins on.
  static constexpr std::size_t kTextSlackBytes = 32;
  std::string_view text() const { return bytes.substr(bytes.size() - text_bytes); }
  void CopyText(Lib0Writer& to) const {
    char* const copy = to.Room(std::max(kTextSlackBytes, text_bytes));
    const char* const begin = bytes.data() + bytes.size() - text_bytes;
    if (text_bytes <= kTextSlackBytes) {
      std::memcpy(copy, begin, kTextSlackBytes);
    } else {
      std::memcpy(copy, begin, text_bytes);
    }
    to.Keep(copy + text_bytes);
  }
  // Those of the letters behind it.
  void CopyLetters(Lib0Writer& to) const;
};

// How far a run goes at most.
struct RunLimit {
  std::uint64_t structs = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t end = kClockMax;  // Of its clocks.
};

// `info`, the first byte of a struct, without the bits that say nothing: of a GC all, of an item
// that copies its parent from a neighbour the one that says that it has a parent sub.
std::uint8_t CanonicalInfo(std::uint8_t info);

// The clients whose groups have come. Costs little where they descend, as Yjs writes them, and
// nothing for the first one.
class SeenClients {
 public:
  // False if it was there.
  bool Add(Client client);

 private:
  bool has_last_ = false;
  Client last_;                     // The smallest of those that descended.
  std::vector<Client> descending_;  // Those before it.
  std::set<Client> late_;           // Those that came behind a smaller one.
};

class UpdateReader {
 public:
  // `update` must outlive the reader and all views.
  explicit UpdateReader(std::string_view update);
  // From a struct within a group on, to the end of that group.
  struct Place {
    std::size_t offset_bytes = 0;
    Id id;                      // Of the struct at that offset.
    std::uint64_t structs = 0;  // From that one on.
  };
  UpdateReader(std::string_view update, const Place& place);

  // The next struct; false when there is none, or when the update is malformed.
  bool Next(StructView& view);
  // The same, told shorter. The two may be mixed.
  bool NextSpan(StructSpan& span);
  // Structs behind the one that was given last, of its group, many at once; false if the next one
  // is none of these: a string or kDeleted, with a neighbour, without idle bits, and nothing about
  // it that is rare. Then Next() or NextSpan() has it.
  bool NextRun(const RunLimit& limit, StructRun& run);
  // The same, told in full: of the front of `texts`, as many as are told.
  std::span<const TextStruct> NextTexts(std::span<TextStruct> texts);
  // What was given last, as it is written.
  std::string_view bytes() const { return reader_.Between(struct_begin_, reader_.offset_bytes()); }
  // Whether the struct that Next() gave last is the first of its client.
  bool is_first_of_client() const { return is_first_of_client_; }

  // For what follows the structs: the delete set. Only after Next() was false.
  Lib0Reader& rest() { return reader_; }
  bool ok() const { return reader_.ok(); }
  const Malformed& malformed() const { return reader_.malformed(); }

 private:
  struct Skim;
  bool EnterGroup();
  bool BeginGroup();
  void Pass(std::uint64_t structs, std::uint64_t clock, const char* behind);
  void PrepareSkim();
  bool IsLater(Id id) const;
  Id ReadOtherId();
  void ReadStruct(StructView& view);
  void ReadItem(std::uint8_t info, StructView& view);
  void ReadContent(StructView& view);
  void ReadCounted(StructView& view);
  void ReadType();
  enum class Undefined : std::uint8_t { kRefused, kAllowed };
  void ReadJson(Undefined undefined);
  void ReadDocOptions();
  void Count(Clock length);

  Lib0Reader reader_;
  std::uint64_t groups_left_ = 0;
  std::uint64_t structs_left_ = 0;  // Of the group.
  Client client_;
  std::uint64_t clock_ = 0;
  std::size_t struct_begin_ = 0;
  std::uint64_t written_client_ = 0;       // The group's: its bytes, the first one lowest,
  std::uint64_t written_client_mask_ = 0;  // and all bits of these.
  bool can_skim_ = false;
  bool is_first_of_client_ = false;
  SeenClients seen_;
};

}  // namespace coterie::crdt
