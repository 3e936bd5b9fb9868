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
constexpr std::size_t kSkimWindow = 32;
constexpr std::size_t kSkimBytes = 1 + kSkimWindow + sizeof(std::uint64_t);
constexpr int kSkimClientBytes = 7;  // Below 2^49.
constexpr int kSkimClockBytes = 4;   // Below 2^28.

constexpr std::string_view kCountTooLarge = "a count is larger than what follows";
constexpr std::string_view kClientTooLarge = "a client id is above 2^53 - 1";
constexpr std::string_view kClockTooLarge = "a clock is above 2^32 - 1";
constexpr std::string_view kLengthTooLarge = "a length leads past the clock 2^32 - 1";

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

// kFirstBytes[n] has all bits of the first n bytes of a word.
constexpr std::uint64_t kFirstBytes[] = {
    0, 0xff, 0xffff, 0xff'ffff, 0xffff'ffff, 0xff'ffff'ffff, 0xffff'ffff'ffff, 0xff'ffff'ffff'ffff};

// The variable-length integer that is written as this word, the bytes behind it 0.
std::uint64_t DecodeWord(std::uint64_t word) {
  word &= 0x7f7f'7f7f'7f7f'7f7f;
  word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
  word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
  return (word & 0x0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
}

// The same of at most four bytes.
std::uint32_t DecodeShort(std::uint64_t word) {
  const auto low = static_cast<std::uint32_t>(word);
  return (low & 0x7f) | (low & 0x7f00) >> 1 | (low & 0x7f'0000) >> 2 | (low & 0x7f00'0000) >> 3;
}

// Variable-length integers that follow each other within kSkimWindow bytes, each as it is written:
// a word, the first byte lowest.
class IntegerWindow {
 public:
  explicit IntegerWindow(const char* bytes) : bytes_(bytes), ends_(EndsOfVarUints(bytes)) {}

  // Whether the next one is `written`, which has `size` bytes; if so, goes behind it.
  bool MaybeTake(std::uint64_t written, int size) {
    const bool is_it = ((LoadWord(bytes_ + at_) ^ written) & kFirstBytes[size]) == 0;
    at_ += is_it ? size : 0;
    return is_it;
  }
  // One of more than four bytes is not judged: then fits() is false.
  std::uint64_t NextShort() { return Next(kSkimClockBytes); }
  // Nor one of more than seven, or of more than it needs, which could hide what it is.
  std::uint64_t NextClient() {
    const int begin = at_;
    const std::uint64_t word = Next(kSkimClientBytes);
    fits_ = fits_ && (bytes_[at_ - 1] != 0 || at_ - begin == 1);
    return word;
  }
  bool fits() const { return fits_; }
  std::size_t size_bytes() const { return static_cast<std::size_t>(at_); }

 private:
  std::uint64_t Next(int size_max) {
    int size = std::countr_zero(ends_ >> at_) + 1;
    if (size > size_max) {
      fits_ = false;
      size = 1;
    }
    const std::uint64_t word = LoadWord(bytes_ + at_) & kFirstBytes[size];
    at_ += size;
    return word;
  }

  const char* bytes_;
  std::uint32_t ends_;
  int at_ = 0;  // At most 2 * (7 + 4) before the last one.
  bool fits_ = true;
};

#ifdef __SSE2__
// Whether the first `size` bytes of 16 are ASCII. size <= 16.
bool IsAscii16(const char* bytes, std::size_t size) {
  const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  return (static_cast<std::uint32_t>(_mm_movemask_epi8(loaded)) & ((1u << size) - 1)) == 0;
}
#endif

// `follow_bytes` may be read behind the text.
bool IsAscii(std::string_view text, std::size_t follow_bytes) {
#ifdef __SSE2__
  if (text.size() <= 16 && text.size() + follow_bytes >= 16) {
    return IsAscii16(text.data(), text.size());
  }
#endif
  static_cast<void>(follow_bytes);
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
  PrepareSkim();
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
  PrepareSkim();
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

void UpdateReader::PrepareSkim() {
  can_skim_ = std::endian::native == std::endian::little &&
              client_.value() < std::uint64_t{1} << (7 * kSkimClientBytes);
  Lib0Writer writer;
  writer.VarUint(client_.value());
  std::string written = writer.Take();
  written_client_bytes_ = can_skim_ ? static_cast<int>(written.size()) : 0;
  written.resize(std::max(written.size(), sizeof(std::uint64_t)));
  written_client_ = LoadWord(written.data());
}

// Whether the struct that is being read cannot have known it: Yjs gets lost in such a one.
bool UpdateReader::IsLater(Id id) const { return id.client == client_ && id.clock >= clock_; }

Id UpdateReader::ReadOtherId() {
  const std::size_t start = reader_.offset_bytes();
  const Client client(reader_.VarUintUpTo(kClientMax, kClientTooLarge));
  const Id id = {.client = client,
                 .clock = static_cast<Clock>(reader_.VarUintUpTo(kClockMax, kClockTooLarge))};
  if (IsLater(id)) reader_.FailAt(start, kDependsOnLater);
  return id;
}

// Moves the clock over the struct that was read.
void UpdateReader::Count(Clock length) {
  if (reader_.ok() && length == 0) reader_.FailAt(struct_begin_, "a struct has no length");
  if (clock_ + length > kClockMax) reader_.FailAt(struct_begin_, kLengthTooLarge);
  clock_ += length;
}

bool UpdateReader::Next(StructView& view) {
  if (!EnterGroup()) return false;
  view = StructView{.id = {.client = client_, .clock = static_cast<Clock>(clock_)}};
  Skimmed skimmed;
  if (MaybeSkim(skimmed)) {
    view.length = skimmed.length;
    view.content = skimmed.content;
    view.has_origin = (skimmed.info & kHasOrigin) != 0;
    view.has_right_origin = (skimmed.info & kHasRightOrigin) != 0;
    view.has_parent_sub = (skimmed.info & kHasParentSub) != 0;
    if (view.has_origin) view.origin = skimmed.origin.Decoded();
    if (view.has_right_origin) view.right_origin = skimmed.right_origin.Decoded();
    view.payload = skimmed.text;
  } else {
    ReadStruct(view);
  }
  Count(view.length);
  return reader_.ok();
}

bool UpdateReader::NextSpan(StructSpan& span) {
  if (!EnterGroup()) return false;
  span.id = {.client = client_, .clock = static_cast<Clock>(clock_)};
  Skimmed skimmed;
  if (MaybeSkim(skimmed)) {
    span.length = skimmed.length;
    span.content = skimmed.content;
    span.has_idle_bits = (skimmed.info & kHasParentSub) != 0;
  } else {
    StructView view{.id = span.id};
    ReadStruct(view);
    if (!reader_.ok()) return false;
    span.length = view.length;
    span.content = view.content;
    const auto info = static_cast<std::uint8_t>(bytes()[0]);
    span.has_idle_bits = CanonicalInfo(info) != info;
  }
  Count(span.length);
  span.bytes = bytes();
  return reader_.ok();
}

Id UpdateReader::WrittenId::Decoded() const {
  return {.client = Client(DecodeWord(client)), .clock = static_cast<Clock>(DecodeWord(clock))};
}

// False for a later one of the own client.
template <class Window>
bool UpdateReader::MaybeSkimId(Window& integers, WrittenId& id) const {
  const bool is_own = integers.MaybeTake(written_client_, written_client_bytes_);
  id.client = is_own ? written_client_ : integers.NextClient();
  id.clock = integers.NextShort();
  return !is_own || DecodeShort(id.clock) < clock_;
}

// Most structs of a text are strings or deleted, with neighbours; all their integers are found at
// once. Those that are too near to the end, or that are odd in any way, are left to ReadStruct(),
// which alone judges.
bool UpdateReader::MaybeSkim(Skimmed& found) {
  const std::string_view ahead = reader_.ahead();
  if (!can_skim_ || ahead.size() < kSkimBytes) return false;
  found.info = static_cast<std::uint8_t>(ahead[0]);
  const std::uint8_t content = found.info & kContentBits;
  if (content != kStringBits && content != kDeletedBits) return false;
  if ((found.info & (kHasOrigin | kHasRightOrigin)) == 0) return false;

  IntegerWindow integers(ahead.data() + 1);
  const bool has_left = (found.info & kHasOrigin) != 0;
  const bool has_right = (found.info & kHasRightOrigin) != 0;
  if (has_left && !MaybeSkimId(integers, found.origin)) return false;
  if (has_right && !MaybeSkimId(integers, found.right_origin)) return false;
  const std::size_t size = DecodeShort(integers.NextShort());
  if (!integers.fits()) return false;

  const std::size_t head_bytes = 1 + integers.size_bytes();
  found.content = static_cast<ContentKind>(content);
  found.length = static_cast<Clock>(size);
  if (content == kDeletedBits) {
    found.text = {};
    reader_.Advance(head_bytes);
    return true;
  }
  if (size > ahead.size() - head_bytes) return false;
  found.text = {ahead.data() + head_bytes, size};
  if (!IsAscii(found.text, ahead.size() - head_bytes - size)) {
    if (!IsValidUtf8(found.text)) return false;
    found.length = static_cast<Clock>(Utf16Length(found.text));
  }
  reader_.Advance(head_bytes + size);
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
  if (view.has_origin) view.origin = ReadOtherId();
  if (view.has_right_origin) view.right_origin = ReadOtherId();
  if (!view.has_origin && !view.has_right_origin) {
    // Yjs writes 0 or 1 and takes whatever is not 1 for 0.
    if (reader_.VarUintUpTo(1, "a parent is neither a root nor an item") == 1) {
      view.parent = ParentKind::kRoot;
      view.parent_root = reader_.VarString();
    } else {
      view.parent = ParentKind::kItem;
      view.parent_item = ReadOtherId();
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
