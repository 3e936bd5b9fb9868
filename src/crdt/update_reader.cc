#include "crdt/update_reader.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/utf8.h"
#include "crdt/any_tag.h"
#include "crdt/json.h"

namespace coterie::crdt {
namespace {

constexpr std::uint8_t kHasOrigin = 0x80;
constexpr std::uint8_t kHasRightOrigin = 0x40;
constexpr std::uint8_t kHasParentSub = 0x20;
constexpr std::uint8_t kContentBits = 0x1f;
constexpr auto kStringBits = static_cast<std::uint8_t>(ContentKind::kString);
constexpr auto kDeletedBits = static_cast<std::uint8_t>(ContentKind::kDeleted);

// What MaybeSkimItem() looks at: 32 bytes hold four ids' integers and a length of these sizes.
constexpr std::size_t kSkimBytes = 1 + 32;
constexpr int kSkimClientBytes = 7;  // Below 2^49.
constexpr int kSkimClockBytes = 4;   // Below 2^28.

constexpr std::string_view kCountTooLarge = "a count is larger than what follows";
constexpr std::string_view kClientTooLarge = "a client id is above 2^53 - 1";
constexpr std::string_view kClockTooLarge = "a clock is above 2^32 - 1";
constexpr std::string_view kLengthTooLarge = "a length leads past the clock 2^32 - 1";

Id ReadId(Lib0Reader& reader) {
  const Client client(reader.VarUintUpTo(kClientMax, kClientTooLarge));
  return {.client = client,
          .clock = static_cast<Clock>(reader.VarUintUpTo(kClockMax, kClockTooLarge))};
}

std::uint64_t LoadWord(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Bit i is set where byte i of the 32 ends a variable-length integer.
std::uint32_t EndsOfVarUints(const char* bytes) {
#ifdef __SSE2__
  const auto low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const auto high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16));
  const auto continues = static_cast<std::uint32_t>(_mm_movemask_epi8(low)) |
                         static_cast<std::uint32_t>(_mm_movemask_epi8(high)) << 16;
  return ~continues;
#else
  std::uint32_t ends = 0;
  for (int i = 0; i < 32; ++i) {
    ends |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]) < 0x80) << i;
  }
  return ends;
#endif
}

// The variable-length integer in the first `size` of four bytes. 1 <= size <= 4.
std::uint32_t DecodeShort(const char* bytes, int size) {
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]) & 0x7f) << (7 * i);
  }
  return value;
}

bool IsAscii(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) seen |= LoadWord(text.data() + i);
  for (; i < text.size(); ++i) seen |= static_cast<unsigned char>(text[i]);
  return (seen & kHighBits) == 0;
}

}  // namespace

std::uint8_t CanonicalInfo(std::uint8_t info) {
  if ((info & kContentBits) == 0) return 0;
  const bool has_neighbour = (info & (kHasOrigin | kHasRightOrigin)) != 0;
  return has_neighbour ? info & static_cast<std::uint8_t>(~kHasParentSub) : info;
}

UpdateReader::UpdateReader(std::string_view update) : reader_(update) {
  groups_left_ = reader_.VarUintUpTo(update.size(), kCountTooLarge);
}

UpdateReader::UpdateReader(std::string_view update, const Place& place)
    : reader_(update),
      structs_left_(place.structs),
      client_(place.id.client),
      clock_(place.id.clock) {
  reader_.Advance(place.offset_bytes);
}

bool SeenClients::Add(Client client) {
  if (descending_.empty() || client < descending_.back()) {
    if (late_.count(client) > 0) return false;
    descending_.push_back(client);
    return true;
  }
  const auto first = descending_.begin();
  if (std::binary_search(first, descending_.end(), client, std::greater<>())) return false;
  return late_.insert(client).second;
}

bool UpdateReader::BeginGroup() {
  const std::size_t start = reader_.offset_bytes();
  structs_left_ = reader_.VarUintUpTo(reader_.remaining_bytes(), kCountTooLarge);
  client_ = Client(reader_.VarUintUpTo(kClientMax, kClientTooLarge));
  clock_ = reader_.VarUintUpTo(kClockMax, kClockTooLarge);
  // Yjs keeps the last of two groups of a client and drops the other without a word.
  if (!seen_.Add(client_)) reader_.FailAt(start, "a client has two groups");
  is_first_of_client_ = true;
  return reader_.ok();
}

bool UpdateReader::EnterGroup() {
  is_first_of_client_ = false;
  while (structs_left_ == 0) {
    if (groups_left_ == 0 || !reader_.ok()) return false;
    --groups_left_;
    if (!BeginGroup()) return false;
  }
  --structs_left_;
  struct_begin_ = reader_.offset_bytes();
  return true;
}

// Moves the clock over the struct that was read.
void UpdateReader::Count(Clock length) {
  if (reader_.ok() && length == 0) reader_.FailAt(struct_begin_, "a struct has no length");
  if (clock_ + length > kClockMax) reader_.FailAt(struct_begin_, kLengthTooLarge);
  clock_ += length;
}

bool UpdateReader::Next(StructView& view) {
  if (!EnterGroup()) return false;
  ReadStruct(view);
  Count(view.length);
  return reader_.ok();
}

bool UpdateReader::NextSpan(StructSpan& span) {
  if (!EnterGroup()) return false;
  span.id = {.client = client_, .clock = static_cast<Clock>(clock_)};
  if (!MaybeSkimItem(span)) {
    const std::string_view ahead = reader_.ahead();
    StructView view;
    ReadStruct(view);
    if (!reader_.ok()) return false;
    span.length = view.length;
    span.content = view.content;
    const auto info = static_cast<std::uint8_t>(ahead[0]);
    span.has_idle_bits = CanonicalInfo(info) != info;
  }
  Count(span.length);
  span.bytes = bytes();
  return reader_.ok();
}

// Most structs of a text are strings or deleted, and their ids are of no interest to who copies
// them: it suffices to find where the fields end. Those that are too near to the end, or that are
// odd in any way, are left to ReadStruct(), which alone judges.
bool UpdateReader::MaybeSkimItem(StructSpan& span) {
  const std::string_view ahead = reader_.ahead();
  if (ahead.size() < kSkimBytes) return false;
  const auto info = static_cast<std::uint8_t>(ahead[0]);
  const std::uint8_t content = info & kContentBits;
  const int ids = info >> 7 & 1, right_ids = info >> 6 & 1;
  if ((content != kStringBits && content != kDeletedBits) || ids + right_ids == 0) return false;

  // One bit for every byte that ends a variable-length integer.
  std::uint32_t ends = EndsOfVarUints(ahead.data() + 1);
  int begin = 0;
  int end = 0;
  for (int i = 0; i < ids + right_ids; ++i) {
    const int client_end = std::countr_zero(ends) + 1;
    ends &= ends - 1;
    end = std::countr_zero(ends) + 1;
    ends &= ends - 1;
    if (client_end - begin > kSkimClientBytes || end - client_end > kSkimClockBytes) return false;
    begin = end;
  }
  const int size_end = std::countr_zero(ends) + 1;
  if (size_end - begin > kSkimClockBytes) return false;
  const std::uint32_t size = DecodeShort(ahead.data() + 1 + begin, size_end - begin);

  std::size_t bytes = 1 + static_cast<std::size_t>(size_end);
  span.length = size;
  if (content == kStringBits) {
    const std::string_view text = ahead.substr(bytes, size);
    if (text.size() < size) return false;
    if (!IsAscii(text)) {
      if (!IsValidUtf8(text)) return false;
      span.length = static_cast<Clock>(Utf16Length(text));
    }
    bytes += size;
  }
  span.content = static_cast<ContentKind>(content);
  span.has_idle_bits = (info & kHasParentSub) != 0;
  reader_.Advance(bytes);
  return true;
}

void UpdateReader::ReadStruct(StructView& view) {
  view = StructView{.id = {.client = client_, .clock = static_cast<Clock>(clock_)}};
  const std::uint8_t info = reader_.U8();
  const std::uint8_t content = info & kContentBits;
  if (content > static_cast<std::uint8_t>(ContentKind::kSkip)) {
    return reader_.FailAt(struct_begin_, "a struct has an unknown content");
  }
  view.content = static_cast<ContentKind>(content);
  // Yjs applies such a one, and throws where it merges it.
  if (view.content == ContentKind::kSkip && info != content) {
    return reader_.FailAt(struct_begin_, "a skip has the bits of an item");
  }
  if (view.content == ContentKind::kGc || view.content == ContentKind::kSkip) {
    view.length = static_cast<Clock>(reader_.VarUintUpTo(kClockMax, kLengthTooLarge));
  } else {
    ReadItem(info, view);
  }
}

void UpdateReader::ReadItem(std::uint8_t info, StructView& view) {
  view.has_origin = (info & kHasOrigin) != 0;
  view.has_right_origin = (info & kHasRightOrigin) != 0;
  view.has_parent_sub = (info & kHasParentSub) != 0;
  if (view.has_origin) view.origin = ReadId(reader_);
  if (view.has_right_origin) view.right_origin = ReadId(reader_);
  if (!view.has_origin && !view.has_right_origin) {
    // Yjs writes 0 or 1 and takes whatever is not 1 for 0.
    if (reader_.VarUintUpTo(1, "a parent is neither a root nor an item") == 1) {
      view.parent = ParentKind::kRoot;
      view.parent_root = reader_.VarString();
    } else {
      view.parent = ParentKind::kItem;
      view.parent_item = ReadId(reader_);
    }
    if (view.has_parent_sub) view.parent_sub = reader_.VarString();
  }
  ReadContent(view);
}

void UpdateReader::ReadContent(StructView& view) {
  const std::size_t start = reader_.offset_bytes();
  view.length = 1;
  switch (view.content) {
    case ContentKind::kDeleted:
      view.length = static_cast<Clock>(reader_.VarUintUpTo(kClockMax, kLengthTooLarge));
      return;
    case ContentKind::kString:
      view.payload = reader_.VarString();
      view.length = static_cast<Clock>(Utf16Length(view.payload));
      return;
    case ContentKind::kJson:
    case ContentKind::kAny:
      ReadCounted(view);
      break;
    case ContentKind::kBinary:
      static_cast<void>(reader_.VarBytes());
      break;
    case ContentKind::kEmbed:
      ReadJson(Undefined::kRefused);
      break;
    case ContentKind::kFormat:
      static_cast<void>(reader_.VarString());
      ReadJson(Undefined::kRefused);
      break;
    case ContentKind::kType:
      ReadType();
      break;
    case ContentKind::kDoc:
      static_cast<void>(reader_.VarString());
      ReadDocOptions();
      break;
    case ContentKind::kGc:
    case ContentKind::kSkip:
      break;
  }
  if (reader_.ok()) view.payload = reader_.Between(start, reader_.offset_bytes());
}

void UpdateReader::ReadCounted(StructView& view) {
  const std::uint64_t count = reader_.VarUintUpTo(reader_.remaining_bytes(), kCountTooLarge);
  view.length = static_cast<Clock>(count);
  for (std::uint64_t i = 0; i < count && reader_.ok(); ++i) {
    if (view.content == ContentKind::kAny) {
      static_cast<void>(reader_.Any());
    } else {
      ReadJson(Undefined::kAllowed);
    }
  }
}

// A string that must be JSON, or the word for what JSON has none for.
void UpdateReader::ReadJson(Undefined undefined) {
  const std::string_view text = reader_.VarString();
  if (!reader_.ok() || (text == "undefined" && undefined == Undefined::kAllowed)) return;
  const Malformed malformed = CheckJson(text);
  if (!malformed) return;
  reader_.FailAt(reader_.offset_bytes() - text.size() + malformed.offset_bytes, malformed.reason);
}

void UpdateReader::ReadDocOptions() {
  const std::size_t start = reader_.offset_bytes();
  const std::string_view options = reader_.Any();
  if (options.empty() || static_cast<std::uint8_t>(options[0]) == any_tag::kObject) return;
  reader_.FailAt(start, "the options of a subdocument are not an object");
}

void UpdateReader::ReadType() {
  const auto kind =
      static_cast<TypeKind>(reader_.VarUintUpTo(kTypeKindMax, "a type is of an unknown kind"));
  if (kind == TypeKind::kXmlElement || kind == TypeKind::kXmlHook) {
    static_cast<void>(reader_.VarString());
  }
}

}  // namespace coterie::crdt
