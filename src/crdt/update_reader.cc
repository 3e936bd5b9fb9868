#include "crdt/update_reader.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
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

// What SkimStruct() looks at: behind the first byte a window that holds the integers of two ids and
// a length, each of these sizes at most; and what a text is looked at with.
constexpr std::size_t kSkimWindow = 32;
constexpr std::size_t kSkimTextBytes = 32;
constexpr std::size_t kSkimBytes = 1 + kSkimWindow + 5 + kSkimTextBytes;
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

// Of 32 bytes: bit i says whether byte i goes on into the next one, and whether it is 0.
struct ByteMasks {
  std::uint32_t continues = 0;
  std::uint32_t zeros = 0;
};

ByteMasks MasksOf(const char* bytes) {
#ifdef __SSE2__
  const auto low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const auto high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16));
  const auto join = [](__m128i of_low, __m128i of_high) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(of_low)) |
           static_cast<std::uint32_t>(_mm_movemask_epi8(of_high)) << 16;
  };
  const __m128i zero = _mm_setzero_si128();
  return {.continues = join(low, high),
          .zeros = join(_mm_cmpeq_epi8(low, zero), _mm_cmpeq_epi8(high, zero))};
#else
  ByteMasks masks;
  for (int i = 0; i < 32; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    masks.continues |= static_cast<std::uint32_t>(byte >= 0x80) << i;
    masks.zeros |= static_cast<std::uint32_t>(byte == 0) << i;
  }
  return masks;
#endif
}

// DecodeVarUint() of at most four bytes.
std::uint32_t DecodeShort(std::uint64_t word) {
  const auto low = static_cast<std::uint32_t>(word);
  return (low & 0x7f) | (low & 0x7f00) >> 1 | (low & 0x7f'0000) >> 2 | (low & 0x7f00'0000) >> 3;
}

// How many neighbours a struct names, by its first byte; 0 if SkimStruct() does not know it.
constexpr std::array<std::uint8_t, 256> MakeSkimIds() {
  std::array<std::uint8_t, 256> ids{};
  for (const std::uint8_t content : {kStringBits, kDeletedBits}) {
    for (const std::uint8_t sub : {std::uint8_t{0}, kHasParentSub}) {
      ids[content | sub | kHasOrigin] = 1;
      ids[content | sub | kHasRightOrigin] = 1;
      ids[content | sub | kHasOrigin | kHasRightOrigin] = 2;
    }
  }
  return ids;
}
constexpr std::array<std::uint8_t, 256> kSkimIds = MakeSkimIds();

// The first `size` bytes of a word, of 1 to 8; of other sizes some word.
std::uint64_t FirstBytes(std::uint64_t word, int size) {
  return word & ((std::uint64_t{2} << ((8 * size - 1) & 63)) - 1);
}

#ifdef __SSE2__
// Whether the first `size` bytes of 32 are ASCII. size <= 32.
bool IsAscii32(const char* bytes, std::size_t size) {
  const auto low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const auto high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16));
  const auto wide = static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(low))) |
                    static_cast<std::uint64_t>(_mm_movemask_epi8(high)) << 16;
  return (wide & ((std::uint64_t{1} << size) - 1)) == 0;
}
#else
bool IsAscii32(const char* bytes, std::size_t size) {
  unsigned char seen = 0;
  for (std::size_t i = 0; i < size; ++i) seen |= static_cast<unsigned char>(bytes[i]);
  return seen < 0x80;
}
#endif

bool IsAscii(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) seen |= LoadWord(text.data() + i);
  for (; i < text.size(); ++i) seen |= static_cast<unsigned char>(text[i]);
  return (seen & kHighBits) == 0;
}

// The length in UTF-16 units of a text that is not short ASCII; 0 if it is not UTF-8.
[[gnu::noinline]] Clock LengthOfText(std::string_view text) {
  if (IsAscii(text)) return static_cast<Clock>(text.size());
  return IsValidUtf8(text) ? static_cast<Clock>(Utf16Length(text)) : 0;
}

// The group that a struct is in.
struct SkimGroup {
  bool can_be_skimmed = false;
  std::uint64_t client = 0;       // As it is written: a word, the first byte lowest.
  std::uint64_t client_mask = 0;  // The bytes of that word that count.
  std::uint64_t clock = 0;        // Of the struct.
};

// A struct that was skimmed. The first id is the origin, if there is one.
struct Skimmed {
  std::uint64_t clients[2] = {};  // As they are written.
  std::uint32_t clocks[2] = {};
  int ids = 0;
  std::uint8_t info = 0;
  Clock length = 0;
  const char* text = nullptr;
  std::size_t text_bytes = 0;
  const char* end() const { return text + text_bytes; }
};

// SkimStruct() of one that has so many ids. There are no loops and hardly a branch, because how
// long the integers are cannot be foretold; only what is rare ends it early.
template <int ids>
[[gnu::always_inline]] inline bool SkimIds(const char* begin, const char* end,
                                           const SkimGroup& group, Skimmed& found) {
  const char* const window = begin + 1;
  const ByteMasks masks = MasksOf(window);
  // Where the integers end. As many as are looked for are found: the last ones behind the window,
  // if need be.
  std::uint64_t ends = ~std::uint64_t{masks.continues} & 0x1f'ffff'ffff;
  const auto next_end = [&ends] {
    const int at = __builtin_ctzll(ends);
    ends &= ends - 1;
    return at;
  };
  bool is_odd = false;
  int before = -1;
  for (int i = 0; i < ids; ++i) {
    const int client_end = next_end();
    const int clock_end = next_end();
    const std::uint64_t client = LoadWord(window + before + 1);
    const std::uint64_t clock = LoadWord(window + client_end + 1);
    found.clocks[i] = DecodeShort(FirstBytes(clock, clock_end - client_end));
    found.clients[i] = FirstBytes(client, client_end - before);
    const bool is_own = ((client ^ group.client) & group.client_mask) == 0;
    is_odd |= is_own & (found.clocks[i] >= group.clock);
    is_odd |= client_end - before > kSkimClientBytes;
    is_odd |= clock_end - client_end > kSkimClockBytes;
    before = clock_end;
  }
  const int length_end = next_end();
  // An integer of more bytes than it needs could hide what it is.
  const std::uint64_t head = (std::uint64_t{2} << length_end) - 1;
  is_odd |= (masks.zeros & masks.continues << 1 & head) != 0;
  if (is_odd) return false;

  found.length = static_cast<unsigned char>(window[length_end]);
  if (length_end - before != 1) {
    if (length_end - before > kSkimClockBytes) return false;
    found.length = DecodeShort(FirstBytes(LoadWord(window + before + 1), length_end - before));
  }
  if (found.length == 0) return false;
  const bool is_string = (found.info & kContentBits) == kStringBits;
  found.text = window + length_end + 1;
  found.text_bytes = is_string ? found.length : 0;
  if (found.text_bytes <= kSkimTextBytes && IsAscii32(found.text, found.text_bytes)) return true;
  if (found.text_bytes > static_cast<std::size_t>(end - found.text)) return false;
  found.length = LengthOfText({found.text, found.text_bytes});
  return found.length > 0;
}

// Most structs of a text are strings or deleted, with neighbours: those are read here. False: what
// is odd in any way, even if it is valid; ReadStruct() alone judges. Requires kSkimBytes.
[[gnu::always_inline]] inline bool SkimStruct(const char* begin, const char* end,
                                              const SkimGroup& group, Skimmed& found) {
  found.info = static_cast<std::uint8_t>(*begin);
  found.ids = kSkimIds[found.info];
  if (found.ids == 2) return SkimIds<2>(begin, end, group, found);
  return found.ids == 1 && SkimIds<1>(begin, end, group, found);
}

// Whether it is one letter whose origin is what its client wrote before it.
bool IsLetterBehind(const Skimmed& skimmed, const SkimGroup& group, std::uint64_t own_clock) {
  return skimmed.text_bytes == 1 && (skimmed.info & kHasOrigin) != 0 &&
         skimmed.clients[0] == group.client && skimmed.clocks[0] + std::uint64_t{1} == own_clock;
}

// How many structs stand behind `first`, a letter behind another one, that differ from the one
// before in the letter, and in that the clock of the origin is one higher. At most `max`, and only
// as long as that clock, which is written `clock_at` bytes behind the front, differs in the low
// seven bits alone. Reads no more than kSkimBytes of each.
std::uint64_t CountLetters(std::string_view first, std::size_t clock_at, std::uint64_t max,
                           const char* end) {
  constexpr std::size_t kWords = 3;
  static_assert(8 * kWords >= 1 + 2 * (kSkimClientBytes + kSkimClockBytes) + 1);
  static_assert(8 * kWords < kSkimBytes);
  const std::size_t head_bytes = first.size() - 1;
  std::uint64_t words[kWords], masks[kWords], steps[kWords];
  for (std::size_t i = 0; i < kWords; ++i) {
    words[i] = LoadWord(first.data() + 8 * i);
    const std::size_t counted =
        head_bytes > 8 * i ? std::min<std::size_t>(8, head_bytes - 8 * i) : 0;
    masks[i] = counted == 0 ? 0 : FirstBytes(~std::uint64_t{0}, static_cast<int>(counted));
    steps[i] = clock_at / 8 == i ? std::uint64_t{1} << (8 * (clock_at % 8)) : 0;
  }
  const auto low_bits = static_cast<std::uint64_t>(first[clock_at] & 0x7f);
  max = std::min({max, 0x7f - low_bits,
                  (static_cast<std::uint64_t>(end - first.data()) - kSkimBytes) / first.size()});
  const char* at = first.data() + first.size();
  for (std::uint64_t letters = 0; letters < max; ++letters, at += first.size()) {
    std::uint64_t different = 0;
    for (std::size_t i = 0; i < kWords; ++i) {
      words[i] += steps[i];
      different |= (LoadWord(at + 8 * i) ^ words[i]) & masks[i];
    }
    if (different != 0 || static_cast<unsigned char>(at[head_bytes]) >= 0x80) return letters;
  }
  return max;
}

// Reads over the next struct, if it is one that can be skimmed.
bool MaybeSkim(Lib0Reader& reader, const SkimGroup& group, Skimmed& found) {
  const std::string_view ahead = reader.ahead();
  if (!group.can_be_skimmed || ahead.size() < kSkimBytes) return false;
  if (!SkimStruct(ahead.data(), ahead.data() + ahead.size(), group, found)) return false;
  reader.Advance(static_cast<std::size_t>(found.end() - ahead.data()));
  return true;
}

void Tell(const Skimmed& skimmed, const char* begin, std::uint64_t clock, TextStruct& text) {
  text.clock = static_cast<Clock>(clock);
  text.length = skimmed.length;
  text.content = static_cast<ContentKind>(skimmed.info & kContentBits);
  text.has_origin = (skimmed.info & kHasOrigin) != 0;
  text.has_right_origin = (skimmed.info & kHasRightOrigin) != 0;
  const Id first = {.client = Client(DecodeVarUint(skimmed.clients[0])),
                    .clock = skimmed.clocks[0]};
  const Id second = {.client = Client(DecodeVarUint(skimmed.clients[1])),
                     .clock = skimmed.clocks[1]};
  text.origin = text.has_origin ? first : Id();
  text.right_origin = text.has_origin ? second : first;
  text.bytes = {begin, static_cast<std::size_t>(skimmed.end() - begin)};
  text.text_bytes = skimmed.text_bytes;
}

}  // namespace

std::uint8_t CanonicalInfo(std::uint8_t info) {
  if ((info & kContentBits) == 0) return 0;
  const bool has_neighbour = (info & (kHasOrigin | kHasRightOrigin)) != 0;
  return has_neighbour ? info & static_cast<std::uint8_t>(~kHasParentSub) : info;
}

void TextStruct::CopyLetters(Lib0Writer& to) const {
  const char* letter = bytes.data() + bytes.size() - 1;
  char* copy = to.Claim(letters);
  for (std::uint32_t i = 0; i < letters; ++i) {
    letter += bytes.size();
    copy[i] = *letter;
  }
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
  if (!has_last_ || client < last_) {
    if (late_.count(client) > 0) return false;
    if (has_last_) descending_.push_back(last_);
    has_last_ = true;
    last_ = client;
    return true;
  }
  if (client == last_ ||
      std::binary_search(descending_.begin(), descending_.end(), client, std::greater<>())) {
    return false;
  }
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
  if (!can_skim_) return;
  written_client_ = 0;
  std::uint64_t value = client_.value();
  int size = 1;
  for (; value >= 0x80; value >>= 7, ++size) {
    written_client_ |= ((value & 0x7f) | 0x80) << (8 * (size - 1));
  }
  written_client_ |= value << (8 * (size - 1));
  written_client_mask_ = FirstBytes(~std::uint64_t{0}, size);
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
  if (MaybeSkim(reader_, {can_skim_, written_client_, written_client_mask_, clock_}, skimmed)) {
    view.length = skimmed.length;
    view.content = static_cast<ContentKind>(skimmed.info & kContentBits);
    view.has_origin = (skimmed.info & kHasOrigin) != 0;
    view.has_right_origin = (skimmed.info & kHasRightOrigin) != 0;
    view.has_parent_sub = (skimmed.info & kHasParentSub) != 0;
    const Id first = {.client = Client(DecodeVarUint(skimmed.clients[0])),
                      .clock = skimmed.clocks[0]};
    if (view.has_origin) {
      view.origin = first;
    } else {
      view.right_origin = first;
    }
    if (skimmed.ids == 2) {
      view.right_origin = {.client = Client(DecodeVarUint(skimmed.clients[1])),
                           .clock = skimmed.clocks[1]};
    }
    view.payload = {skimmed.text, skimmed.text_bytes};
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
  if (MaybeSkim(reader_, {can_skim_, written_client_, written_client_mask_, clock_}, skimmed)) {
    span.length = skimmed.length;
    span.content = static_cast<ContentKind>(skimmed.info & kContentBits);
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

// A walk over structs of one group that can be skimmed.
struct UpdateReader::Skim {
  const char* at = nullptr;
  const char* end = nullptr;
  SkimGroup group;
  std::uint64_t structs_left = 0;
  std::uint64_t clock_end = kClockMax;
  std::uint64_t structs = 0;  // That were passed.

  // Passes one.
  [[gnu::always_inline]] bool Next(Skimmed& skimmed) {
    if (structs_left == 0 || end - at < static_cast<std::ptrdiff_t>(kSkimBytes)) return false;
    if (!SkimStruct(at, end, group, skimmed) || (skimmed.info & kHasParentSub) != 0) return false;
    if (group.clock + skimmed.length > clock_end) return false;
    Pass(1, skimmed.length, skimmed.end());
    return true;
  }
  // Passes the letters behind the one that Next() passed last, which began at `begin`.
  [[gnu::always_inline]] std::uint32_t NextLetters(const Skimmed& skimmed, const char* begin) {
    const std::uint64_t own_clock = group.clock - skimmed.length;
    if (!IsLetterBehind(skimmed, group, own_clock)) return 0;
    const auto size = static_cast<std::size_t>(at - begin);
    const auto clock_at = 1 + static_cast<std::size_t>(std::countr_one(group.client_mask)) / 8;
    const std::uint64_t max = std::min(structs_left, clock_end - group.clock);
    const std::uint64_t letters = CountLetters({begin, size}, clock_at, max, end);
    Pass(letters, letters, at + letters * size);
    return static_cast<std::uint32_t>(letters);
  }
  void Pass(std::uint64_t more, std::uint64_t clocks, const char* behind) {
    structs += more;
    structs_left -= more;
    group.clock += clocks;
    at = behind;
  }
};

void UpdateReader::Pass(std::uint64_t structs, std::uint64_t clock, const char* behind) {
  is_first_of_client_ = false;
  struct_begin_ = reader_.offset_bytes();
  reader_.Advance(static_cast<std::size_t>(behind - reader_.ahead().data()));
  structs_left_ -= structs;
  clock_ = clock;
}

bool UpdateReader::NextRun(const RunLimit& limit, StructRun& run) {
  if (!can_skim_) return false;
  const std::string_view ahead = reader_.ahead();
  const std::uint64_t structs_max = std::min(limit.structs, structs_left_);
  Skim skim{.at = ahead.data(),
            .end = ahead.data() + ahead.size(),
            .group = {can_skim_, written_client_, written_client_mask_, clock_},
            .structs_left = structs_max,
            .clock_end = limit.end};
  Skimmed skimmed;
  for (const char* begin = skim.at; skim.Next(skimmed); begin = skim.at) {
    static_cast<void>(skim.NextLetters(skimmed, begin));
  }
  if (skim.structs == 0) return false;
  run = {.first = {.client = client_, .clock = static_cast<Clock>(clock_)},
         .end = static_cast<Clock>(skim.group.clock),
         .structs = skim.structs};
  Pass(skim.structs, skim.group.clock, skim.at);
  run.bytes = bytes();
  return true;
}

std::span<const TextStruct> UpdateReader::NextTexts(std::span<TextStruct> texts) {
  if (!can_skim_) return {};
  const std::string_view ahead = reader_.ahead();
  Skim skim{.at = ahead.data(),
            .end = ahead.data() + ahead.size(),
            .group = {can_skim_, written_client_, written_client_mask_, clock_},
            .structs_left = structs_left_};
  std::size_t told = 0;
  for (; told < texts.size(); ++told) {
    Skimmed skimmed;
    const char* const begin = skim.at;
    const std::uint64_t clock = skim.group.clock;
    if (!skim.Next(skimmed)) break;
    Tell(skimmed, begin, clock, texts[told]);
    texts[told].letters = skim.NextLetters(skimmed, begin);
  }
  if (told > 0) Pass(skim.structs, skim.group.clock, skim.at);
  return texts.first(told);
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
