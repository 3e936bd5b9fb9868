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

#include <cstdint>
#include <set>
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

// `info`, the first byte of a struct, without the bits that say nothing: of a GC all, of an item
// that copies its parent from a neighbour the one that says that it has a parent sub.
std::uint8_t CanonicalInfo(std::uint8_t info);

// The clients whose groups have come. Costs little where they descend, as Yjs writes them.
class SeenClients {
 public:
  // False if it was there.
  bool Add(Client client);

 private:
  std::vector<Client> descending_;
  std::set<Client> late_;  // Those that came behind a smaller one.
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
  // The struct that Next() gave last, as it is written.
  std::string_view bytes() const { return reader_.Between(struct_begin_, reader_.offset_bytes()); }
  // Whether the struct that Next() gave last is the first of its client.
  bool is_first_of_client() const { return is_first_of_client_; }

  // For what follows the structs: the delete set. Only after Next() was false.
  Lib0Reader& rest() { return reader_; }
  bool ok() const { return reader_.ok(); }
  const Malformed& malformed() const { return reader_.malformed(); }

 private:
  bool EnterGroup();
  bool BeginGroup();
  // The integers of an id as they are written: a word each, the first byte lowest.
  struct WrittenId {
    std::uint64_t client = 0;
    std::uint64_t clock = 0;
    Id Decoded() const;
  };
  // What MaybeSkim() finds; the ids only if `info` has them.
  struct Skimmed {
    WrittenId origin;
    WrittenId right_origin;
    std::string_view text;
    Clock length = 0;
    ContentKind content = ContentKind::kGc;
    std::uint8_t info = 0;
  };
  void PrepareSkim();
  bool MaybeSkim(Skimmed& found);
  bool IsLater(Id id) const;
  template <class Window>
  bool MaybeSkimId(Window& integers, WrittenId& id) const;
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
  std::uint64_t written_client_ = 0;  // The group's, as in WrittenId.
  int written_client_bytes_ = 0;
  bool can_skim_ = false;
  bool is_first_of_client_ = false;
  SeenClients seen_;
};

}  // namespace coterie::crdt
