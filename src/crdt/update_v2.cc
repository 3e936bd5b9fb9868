#include "crdt/update_v2.h"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "crdt/columns.h"
#include "crdt/js_value.h"
#include "crdt/json.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kCountTooLarge = "a count is larger than what follows";
constexpr std::string_view kLengthTooLarge = "a length leads past the clock 2^32 - 1";
constexpr std::string_view kTooLarge = "the update is too large in V1";
constexpr std::uint8_t kHasOrigin = 0x80;
constexpr std::uint8_t kHasRightOrigin = 0x40;
constexpr std::uint8_t kHasParentSub = 0x20;
constexpr std::uint8_t kContentBits = 0x1f;
constexpr auto kStringBits = static_cast<std::uint8_t>(ContentKind::kString);
constexpr auto kDeletedBits = static_cast<std::uint8_t>(ContentKind::kDeleted);
// So many letters at least and at most are read at once.
constexpr std::uint64_t kLettersMin = 4;
constexpr std::uint64_t kLettersMax = 1024;
constexpr std::size_t kTextsAtOnce = 64;

// The options of a subdocument that Yjs keeps, written as it does.
JsValue KeptOptions(const JsValue& options) {
  JsValue kept{.kind = JsValue::Kind::kObject};
  const JsValue* gc = options.Find("gc");
  const bool has_no_gc = gc != nullptr && gc->kind != JsValue::Kind::kUndefined && !gc->IsTruthy();
  if (has_no_gc) kept.members.push_back({"gc", {.kind = JsValue::Kind::kFalse}});
  const JsValue* auto_load = options.Find("autoLoad");
  const bool does_load = auto_load != nullptr && auto_load->IsTruthy();
  if (does_load) kept.members.push_back({"autoLoad", {.kind = JsValue::Kind::kTrue}});
  const JsValue* meta = options.Find("meta");
  const bool has_meta = meta != nullptr && meta->kind != JsValue::Kind::kUndefined &&
                        meta->kind != JsValue::Kind::kNull;
  if (has_meta) kept.members.push_back({"meta", *meta});
  return kept;
}

std::uint8_t InfoOf(const TextStruct& text) {
  return static_cast<std::uint8_t>(static_cast<std::uint8_t>(text.content) |
                                   (text.has_origin ? kHasOrigin : 0) |
                                   (text.has_right_origin ? kHasRightOrigin : 0));
}

class WriterV2 {
 public:
  explicit WriterV2(IdleBits idle_bits) : idle_bits_(idle_bits) {}
  void Write(const StructView& view, bool is_first_of_client);
  // What follows that, of the same client.
  void Write(std::span<const TextStruct> texts, Client client);
  std::string Finish(const DeleteSet& deleted);

 private:
  void WriteLeft(Id id);
  void WriteItem(const StructView& view);
  void WriteContent(const StructView& view);
  void WriteColumns(std::span<const TextStruct> texts);
  void WriteLetters(const TextStruct& text, Client client);
  void WriteKey(std::string_view key);

  IdleBits idle_bits_;
  RunDifferenceWriter key_clocks_, left_clocks_, right_clocks_;
  RunUintWriter clients_, type_kinds_, lengths_;
  RunByteWriter infos_, parent_infos_;
  StringsWriter strings_;
  std::uint64_t keys_ = 0;

  // What WriteColumns() gathers of texts.
  struct Gathered {
    std::array<std::uint8_t, kTextsAtOnce> infos;
    // One more, for what is written over.
    std::array<std::uint64_t, 2 * kTextsAtOnce + 1> clients;
    std::array<std::uint64_t, kTextsAtOnce + 1> lefts, rights, lengths, units;
  };
  Gathered gathered_{};

  // The rest, in which the count of a group's structs stands before them.
  struct Group {
    std::uint64_t structs = 0;
    std::size_t begin = 0;
  };
  std::vector<Group> groups_;
  Lib0Writer values_;
};

void WriterV2::WriteLeft(Id id) {
  clients_.Write(id.client.value());
  left_clocks_.Write(id.clock);
}

// Yjs numbers the keys and never uses a number twice.
void WriterV2::WriteKey(std::string_view key) {
  key_clocks_.Write(keys_++);
  strings_.Write(key);
}

void WriterV2::Write(const StructView& view, bool is_first_of_client) {
  if (is_first_of_client) {
    groups_.push_back({.begin = values_.size_bytes()});
    clients_.Write(view.id.client.value());
    values_.VarUint(view.id.clock);
  }
  ++groups_.back().structs;
  switch (view.content) {
    case ContentKind::kGc:
      infos_.Write(0);
      return lengths_.Write(view.length);
    case ContentKind::kSkip:
      infos_.Write(static_cast<std::uint8_t>(ContentKind::kSkip));
      return values_.VarUint(view.length);
    default:
      return WriteItem(view);
  }
}

void WriterV2::WriteItem(const StructView& view) {
  const bool has_sub = view.has_parent_sub && view.parent != ParentKind::kNeighbour;
  std::uint8_t info = static_cast<std::uint8_t>(view.content);
  if (view.has_origin) info |= kHasOrigin;
  if (view.has_right_origin) info |= kHasRightOrigin;
  const bool is_idle_kept = idle_bits_ == IdleBits::kKeep && view.has_parent_sub;
  if (has_sub || is_idle_kept) info |= kHasParentSub;
  infos_.Write(info);
  if (view.has_origin) WriteLeft(view.origin);
  if (view.has_right_origin) {
    clients_.Write(view.right_origin.client.value());
    right_clocks_.Write(view.right_origin.clock);
  }
  if (view.parent == ParentKind::kRoot) {
    parent_infos_.Write(1);
    strings_.Write(view.parent_root);
  } else if (view.parent == ParentKind::kItem) {
    parent_infos_.Write(0);
    WriteLeft(view.parent_item);
  }
  if (has_sub) strings_.Write(view.parent_sub);
  WriteContent(view);
}

void WriterV2::Write(std::span<const TextStruct> texts, Client client) {
  while (!texts.empty()) {
    std::size_t count = 1;  // Up to the next one that has letters behind it.
    while (count < texts.size() && texts[count - 1].letters == 0) ++count;
    WriteColumns(texts.first(count));
    const TextStruct& last = texts[count - 1];
    if (last.letters > 0) WriteLetters(last, client);
    texts = texts.subspan(count);
  }
}

// Column after column. What a struct does not have in one is put there and written over by the next
// one's: which structs have what cannot be foretold.
void WriterV2::WriteColumns(std::span<const TextStruct> texts) {
  auto& [infos, clients, lefts, rights, lengths, units] = gathered_;
  std::size_t client = 0, left = 0, right = 0, length = 0, unit = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const TextStruct& text = texts[i];
    const bool is_string = text.content == ContentKind::kString;
    infos[i] = InfoOf(text);
    clients[client] = text.origin.client.value();
    client += text.has_origin ? 1 : 0;
    clients[client] = text.right_origin.client.value();
    client += text.has_right_origin ? 1 : 0;
    lefts[left] = text.origin.clock;
    left += text.has_origin ? 1 : 0;
    rights[right] = text.right_origin.clock;
    right += text.has_right_origin ? 1 : 0;
    units[unit] = text.length;
    unit += is_string ? 1 : 0;
    lengths[length] = text.length;
    length += is_string ? 0 : 1;
  }
  groups_.back().structs += texts.size();
  infos_.WriteAll({infos.data(), texts.size()});
  clients_.WriteAll({clients.data(), client});
  left_clocks_.WriteAll({lefts.data(), left});
  right_clocks_.WriteAll({rights.data(), right});
  lengths_.WriteAll({lengths.data(), length});
  Lib0Writer& strings = strings_.WriteLengths({units.data(), unit});
  for (const TextStruct& text : texts) text.CopyText(strings);
}

void WriterV2::WriteLetters(const TextStruct& text, Client client) {
  groups_.back().structs += text.letters;
  infos_.Write(InfoOf(text), text.letters);
  left_clocks_.Write(text.clock);
  left_clocks_.WriteSteps(1, text.letters - 1);
  text.CopyLetters(strings_.WriteLetters(text.letters));
  if (!text.has_right_origin) return clients_.Write(client.value(), text.letters);
  right_clocks_.WriteSteps(0, text.letters);
  if (text.right_origin.client == client)
    return clients_.Write(client.value(), std::uint64_t{2} * text.letters);
  for (std::uint32_t i = 0; i < text.letters; ++i) {
    clients_.Write(client.value());
    clients_.Write(text.right_origin.client.value());
  }
}

// The payload was validated, so nothing in here can fail.
void WriterV2::WriteContent(const StructView& view) {
  Lib0Reader payload(view.payload);
  switch (view.content) {
    case ContentKind::kDeleted:
      return lengths_.Write(view.length);
    case ContentKind::kString:
      return strings_.Write(view.payload, view.length);
    case ContentKind::kBinary:
      return values_.VarBytes(payload.VarBytes());
    case ContentKind::kEmbed:
      return WriteAny(ParseJson(payload.VarString()), values_);
    case ContentKind::kFormat:
      WriteKey(payload.VarString());
      return WriteAny(ParseJson(payload.VarString()), values_);
    case ContentKind::kType: {
      const std::uint64_t kind = payload.VarUint();
      type_kinds_.Write(kind);
      if (!payload.AtEnd()) WriteKey(payload.VarString());
      return;
    }
    case ContentKind::kDoc:
      strings_.Write(payload.VarString());
      return WriteAny(KeptOptions(ReadAny(payload)), values_);
    case ContentKind::kJson:
    case ContentKind::kAny:
      break;
    case ContentKind::kGc:
    case ContentKind::kSkip:
      CHECK(false);
  }
  lengths_.Write(view.length);
  static_cast<void>(payload.VarUint());
  for (Clock i = 0; i < view.length; ++i) {
    if (view.content == ContentKind::kAny) {
      WriteAny(ReadAny(payload), values_);
      continue;
    }
    const std::string_view json = payload.VarString();
    std::string rewritten;
    if (json == "undefined") {
      rewritten = json;
    } else {
      CHECK(WriteJson(ParseJson(json), rewritten));
    }
    strings_.Write(rewritten);
  }
}

std::string WriterV2::Finish(const DeleteSet& deleted) {
  const std::string columns[] = {key_clocks_.Take(),   clients_.Take(),    left_clocks_.Take(),
                                 right_clocks_.Take(), infos_.Take(),      strings_.Take(),
                                 parent_infos_.Take(), type_kinds_.Take(), lengths_.Take()};
  Lib0Writer deletions;
  EncodeDeleteSetV2(deleted, deletions);
  std::size_t size = 1 + values_.size_bytes() + deletions.size_bytes();
  for (const std::string& column : columns) size += column.size() + kVarUintBytesMax;
  Lib0Writer update;
  update.Reserve(size + kVarUintBytesMax * (groups_.size() + 1));
  update.VarUint(0);
  for (const std::string& column : columns) update.VarBytes(column);
  update.VarUint(groups_.size());
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const std::size_t end = i + 1 < groups_.size() ? groups_[i + 1].begin : values_.size_bytes();
    update.VarUint(groups_[i].structs);
    update.Raw(values_.view().substr(groups_[i].begin, end - groups_[i].begin));
  }
  update.Raw(deletions.view());
  return update.Take();
}

// Reads V2 struct by struct and writes each as V1.
class ReaderV2 {
 public:
  ReaderV2(std::string_view v2, std::size_t size_bytes_max);
  Transcoded Run();

 private:
  Lib0Reader Column();
  void ReadGroup();
  // What most structs of a text are, at most `structs` of them, and how many these were.
  std::uint64_t ReadLetters(Client client, std::uint64_t& clock, std::uint64_t structs);
  std::uint64_t ReadTexts(Client client, std::uint64_t& clock, std::uint64_t structs);
  enum class TextRead : std::uint8_t { kRead, kOther, kOdd };
  TextRead ReadText(Client client, std::uint64_t& clock);
  // False if something is malformed.
  bool ReadStruct(Client client, std::uint64_t& clock);
  // What is read is written at once; of malformed updates nothing is used.
  void ReadItem(std::uint8_t info, StructView& view);
  void ReadContent(StructView& view);
  Lib0Writer& body() { return writer_.body(); }
  void ReadCounted(StructView& view);
  void ReadType();
  void ReadJsonText();
  Id ReadLeft();
  std::string ReadString();
  const std::string& ReadKey();
  Clock ReadLength();
  // Of any of the columns; the first one that failed.
  Malformed FindMalformed();
  // Whether there is none. The reasons are looked at all at once, without a branch for each.
  bool ok() const {
    return rest_.ok() & key_clocks_.in().ok() & clients_.in().ok() & left_clocks_.in().ok() &
           right_clocks_.in().ok() & infos_.in().ok() & strings_.in().ok() &
           parent_infos_.in().ok() & type_kinds_.in().ok() & lengths_.in().ok();
  }
  bool AtEnd() const;

  std::string_view v2_;
  std::size_t size_bytes_max_;
  Lib0Reader rest_;
  // In the order in which they are written, which is that in which they are made.
  std::uint64_t version_;
  RunDifferenceReader key_clocks_;
  RunUintReader clients_;
  RunDifferenceReader left_clocks_;
  RunDifferenceReader right_clocks_;
  RunByteReader infos_;
  StringsReader strings_;
  RunByteReader parent_infos_;
  RunUintReader type_kinds_;
  RunUintReader lengths_;

  std::uint64_t slow_structs_ = 0;  // So many are to be read by ReadStruct().
  std::vector<std::string> keys_;
  SeenClients seen_;
  StructWriter writer_;
  // What the view of the present struct looks at.
  std::string root_, sub_;
};

ReaderV2::ReaderV2(std::string_view v2, std::size_t size_bytes_max)
    : v2_(v2),
      size_bytes_max_(size_bytes_max),
      rest_(v2),
      version_(rest_.VarUint()),
      key_clocks_(Column(), kClockMax),
      clients_(Column()),
      left_clocks_(Column(), kClockMax),
      right_clocks_(Column(), kClockMax),
      infos_(Column()),
      strings_(Column()),
      parent_infos_(Column()),
      type_kinds_(Column()),
      lengths_(Column()) {
  if (version_ != 0) rest_.FailAt(0, "the format is neither V1 nor a known V2");
}

// A reader of the next column whose offsets are those of the whole update.
Lib0Reader ReaderV2::Column() {
  const std::string_view column = rest_.VarBytes();
  const auto begin = static_cast<std::size_t>(column.data() - v2_.data());
  if (!rest_.ok()) return Lib0Reader({});
  Lib0Reader reader(v2_.substr(0, begin + column.size()));
  reader.Advance(begin);
  return reader;
}

Malformed ReaderV2::FindMalformed() {
  const Lib0Reader* const readers[] = {
      &rest_,       &key_clocks_.in(), &clients_.in(),      &left_clocks_.in(), &right_clocks_.in(),
      &infos_.in(), &strings_.in(),    &parent_infos_.in(), &type_kinds_.in(),  &lengths_.in()};
  for (const Lib0Reader* reader : readers) {
    if (!reader->ok()) return reader->malformed();
  }
  return {};
}

bool ReaderV2::AtEnd() const {
  return key_clocks_.AtEnd() && clients_.AtEnd() && left_clocks_.AtEnd() && right_clocks_.AtEnd() &&
         infos_.AtEnd() && strings_.AtEnd() && parent_infos_.AtEnd() && type_kinds_.AtEnd() &&
         lengths_.AtEnd();
}

Id ReaderV2::ReadLeft() {
  const Client client(clients_.Next());
  return {.client = client, .clock = static_cast<Clock>(left_clocks_.Next())};
}

std::string ReaderV2::ReadString() {
  std::uint64_t units = 0;
  return std::string(strings_.Next(units));
}

// Yjs's writer gives each key a new number; its reader, and so ours, knows a number again.
const std::string& ReaderV2::ReadKey() {
  const std::uint64_t number = key_clocks_.Next();
  if (number < keys_.size()) return keys_[number];
  keys_.push_back(ReadString());
  return keys_.back();
}

Clock ReaderV2::ReadLength() {
  const std::uint64_t length = lengths_.Next();
  if (length <= kClockMax) return static_cast<Clock>(length);
  lengths_.in().Fail(kLengthTooLarge);
  return 0;
}

void ReaderV2::ReadJsonText() {
  const std::size_t start = rest_.offset_bytes();
  std::string json;
  const JsValue value = ReadAny(rest_);
  if (rest_.ok() && !WriteJson(value, json)) rest_.FailAt(start, "a value has no form in JSON");
  body().VarBytes(json);
}

void ReaderV2::ReadType() {
  const std::uint64_t kind = type_kinds_.Next();
  if (kind > kTypeKindMax) type_kinds_.in().Fail("a type is of an unknown kind");
  body().VarUint(kind);
  const auto type = static_cast<TypeKind>(kind);
  if (type == TypeKind::kXmlElement || type == TypeKind::kXmlHook) body().VarBytes(ReadKey());
}

void ReaderV2::ReadCounted(StructView& view) {
  view.length = ReadLength();
  body().VarUint(view.length);
  for (Clock i = 0; i < view.length && ok(); ++i) {
    if (view.content == ContentKind::kAny) {
      WriteAny(ReadAny(rest_), body());
      continue;
    }
    std::string json = ReadString();
    if (json != "undefined") {
      if (CheckJson(json)) {
        strings_.in().Fail("a value is not JSON");
        return;
      }
      const JsValue value = ParseJson(json);
      json.clear();
      CHECK(WriteJson(value, json));
    }
    body().VarBytes(json);
  }
}

void ReaderV2::ReadContent(StructView& view) {
  view.length = 1;
  switch (view.content) {
    case ContentKind::kDeleted:
      view.length = ReadLength();
      return body().VarUint(view.length);
    case ContentKind::kString: {
      std::uint64_t units = 0;
      body().VarBytes(strings_.Next(units));
      if (units > kClockMax) return strings_.in().Fail(kLengthTooLarge);
      view.length = static_cast<Clock>(units);
      return;
    }
    case ContentKind::kBinary:
      return body().VarBytes(rest_.VarBytes());
    case ContentKind::kEmbed:
      return ReadJsonText();
    case ContentKind::kFormat:
      body().VarBytes(ReadKey());
      return ReadJsonText();
    case ContentKind::kType:
      return ReadType();
    case ContentKind::kDoc: {
      body().VarBytes(ReadString());
      const std::size_t start = rest_.offset_bytes();
      const JsValue options = ReadAny(rest_);
      if (rest_.ok() && options.kind != JsValue::Kind::kObject) {
        rest_.FailAt(start, "the options of a subdocument are not an object");
      }
      return WriteAny(KeptOptions(options), body());
    }
    case ContentKind::kJson:
    case ContentKind::kAny:
      return ReadCounted(view);
    case ContentKind::kGc:
    case ContentKind::kSkip:
      CHECK(false);
  }
}

void ReaderV2::ReadItem(std::uint8_t info, StructView& view) {
  view.has_origin = (info & kHasOrigin) != 0;
  view.has_right_origin = (info & kHasRightOrigin) != 0;
  view.has_parent_sub = (info & kHasParentSub) != 0;
  if (view.has_origin) view.origin = ReadLeft();
  if (view.has_right_origin) {
    view.right_origin.client = Client(clients_.Next());
    view.right_origin.clock = static_cast<Clock>(right_clocks_.Next());
  }
  if (!view.has_origin && !view.has_right_origin) {
    const std::uint8_t parent_info = parent_infos_.Next();
    if (parent_info > 1) parent_infos_.in().Fail("a parent is neither a root nor an item");
    view.parent = parent_info == 1 ? ParentKind::kRoot : ParentKind::kItem;
    if (view.parent == ParentKind::kRoot) {
      root_ = ReadString();
      view.parent_root = root_;
    } else {
      view.parent_item = ReadLeft();
    }
    if (view.has_parent_sub) {
      sub_ = ReadString();
      view.parent_sub = sub_;
    }
  }
  WriteItemHead(view, body());
  ReadContent(view);
}

// Whether it names an item of its own client that comes only behind it.
bool DependsOnLater(const StructView& view) {
  const auto is_later = [&view](Id id) {
    return id.client == view.id.client && id.clock >= view.id.clock;
  };
  return (view.has_origin && is_later(view.origin)) ||
         (view.has_right_origin && is_later(view.right_origin)) ||
         (view.parent == ParentKind::kItem && is_later(view.parent_item));
}

bool ReaderV2::ReadStruct(Client client, std::uint64_t& clock) {
  StructView view{.id = {.client = client, .clock = static_cast<Clock>(clock)}};
  const std::uint8_t info = infos_.Next();
  const std::uint8_t content = info & kContentBits;
  if (content > static_cast<std::uint8_t>(ContentKind::kSkip)) {
    infos_.in().Fail("a struct has an unknown content");
    return false;
  }
  view.content = static_cast<ContentKind>(content);
  const bool is_skip = view.content == ContentKind::kSkip;
  if (is_skip && info != content) infos_.in().Fail("a skip has the bits of an item");
  writer_.Count(view.id);
  if (view.content == ContentKind::kGc || is_skip) {
    view.length =
        is_skip ? static_cast<Clock>(rest_.VarUintUpTo(kClockMax, kLengthTooLarge)) : ReadLength();
    body().U8(content);
    body().VarUint(view.length);
  } else {
    ReadItem(info, view);
  }
  if (!ok()) return false;
  if (DependsOnLater(view)) rest_.Fail(kDependsOnLater);
  if (view.length == 0) rest_.Fail("a struct has no length");
  if (clock + view.length > kClockMax) rest_.Fail(kLengthTooLarge);
  if (body().size_bytes() > size_bytes_max_) rest_.Fail(kTooLarge);
  clock += view.length;
  return rest_.ok();
}

// Letters that one client typed one behind the other. Where they lie, every column repeats itself.
std::uint64_t ReaderV2::ReadLetters(Client client, std::uint64_t& clock, std::uint64_t structs) {
  std::uint8_t info = 0;
  structs = std::min(structs, infos_.Peek(info));
  const bool has_right = (info & kHasRightOrigin) != 0;
  if ((info | kHasRightOrigin) != (kStringBits | kHasOrigin | kHasRightOrigin)) return 0;
  if (structs < kLettersMin) return 0;
  structs = std::min(structs, strings_.Letters());
  if (structs < kLettersMin || left_clocks_.last() + 2 != clock) return 0;
  structs = std::min(structs, left_clocks_.TimesOf(1));
  structs = std::min(structs, clients_.TimesOf(client.value()) / (has_right ? 2 : 1));
  if (has_right && structs > 0) structs = std::min(structs, right_clocks_.TimesOf(0));
  const std::uint64_t right = right_clocks_.last();
  structs = std::min({structs, kLettersMax, kClockMax - clock});
  if (structs < kLettersMin || (has_right && right >= clock)) return 0;

  infos_.Skip(structs);
  left_clocks_.Skip(structs);
  clients_.Skip(has_right ? 2 * structs : structs);
  if (has_right) right_clocks_.Skip(structs);
  const std::string_view letters = strings_.TakeLetters(structs);
  writer_.Count({.client = client, .clock = static_cast<Clock>(clock)}, structs);
  char* to = body().Room(structs * (1 + 5 * kVarUintBytesMax));
  for (const char letter : letters) {
    *to++ = static_cast<char>(info);
    to = PutVarUint(client.value(), to);
    to = PutVarUint(clock - 1, to);
    if (has_right) to = PutVarUint(right, PutVarUint(client.value(), to));
    *to++ = 1;
    *to++ = letter;
    ++clock;
  }
  body().Keep(to);
  if (body().size_bytes() > size_bytes_max_) rest_.Fail(kTooLarge);
  return structs;
}

// One struct of ReadTexts().
ReaderV2::TextRead ReaderV2::ReadText(Client client, std::uint64_t& clock) {
  std::uint8_t info = 0;
  if (infos_.Peek(info) == 0) return TextRead::kOdd;
  const std::uint8_t content = info & static_cast<std::uint8_t>(~(kHasOrigin | kHasRightOrigin));
  const bool is_string = content == kStringBits;
  if (info == content || !(is_string || content == kDeletedBits)) return TextRead::kOther;
  infos_.Skip(1);
  Lib0Writer& to = body();
  char* at = to.Room(1 + 5 * kVarUintBytesMax);
  *at++ = static_cast<char>(info);
  bool is_odd = false;
  const auto read_neighbour = [&](RunDifferenceReader& clocks) {
    const Id id = {.client = Client(clients_.Next()), .clock = static_cast<Clock>(clocks.Next())};
    is_odd |= (id.client == client) & (id.clock >= clock);
    at = PutVarUint(id.clock, PutVarUint(id.client.value(), at));
  };
  if ((info & kHasOrigin) != 0) read_neighbour(left_clocks_);
  if ((info & kHasRightOrigin) != 0) read_neighbour(right_clocks_);
  std::uint64_t length = 0;
  const std::string_view text = is_string ? strings_.Next(length) : std::string_view();
  if (!is_string) length = lengths_.Next();
  to.Keep(PutVarUint(is_string ? text.size() : length, at));
  to.Raw(text);
  is_odd |= length == 0 || length > kClockMax - clock;
  clock += length;
  return is_odd ? TextRead::kOdd : TextRead::kRead;
}

// Strings and deleted ones, with neighbours. If there is anything odd in any of them, even if it is
// valid, then none was read, and none of the next ones is to be: ReadStruct() alone judges.
std::uint64_t ReaderV2::ReadTexts(Client client, std::uint64_t& clock, std::uint64_t structs) {
  constexpr std::uint64_t kTextsMax = 64;
  if (slow_structs_ > 0) {
    --slow_structs_;
    return 0;
  }
  const std::tuple before(clients_, left_clocks_, right_clocks_, infos_, strings_, lengths_);
  const std::size_t size_before = body().size_bytes();
  const std::uint64_t most = std::min(structs, kTextsMax);
  std::uint64_t now = clock;
  std::uint64_t read = 0;
  TextRead last = TextRead::kRead;
  while (read < most && last == TextRead::kRead) {
    last = ReadText(client, now);
    read += last == TextRead::kRead ? 1 : 0;
    const bool are_letters_next =
        left_clocks_.TimesLeftOf(1) >= kLettersMin && strings_.LettersLeft() >= kLettersMin;
    if (are_letters_next) break;
  }
  if (last == TextRead::kOdd || !ok() || body().size_bytes() > size_bytes_max_) {
    std::tie(clients_, left_clocks_, right_clocks_, infos_, strings_, lengths_) = before;
    body().Truncate(size_before);
    slow_structs_ = kTextsMax;
    return 0;
  }
  if (read > 0) writer_.Count({.client = client, .clock = static_cast<Clock>(clock)}, read);
  clock = now;
  return read;
}

void ReaderV2::ReadGroup() {
  const std::size_t start = rest_.offset_bytes();
  const std::uint64_t structs = rest_.VarUint();
  const std::uint64_t client = clients_.Next();
  if (client > kClientMax) clients_.in().Fail("a client id is above 2^53 - 1");
  if (!seen_.Add(Client(client))) rest_.FailAt(start, "a client has two groups");
  std::uint64_t clock = rest_.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1");
  bool is_sound = ok();
  for (std::uint64_t i = 0; i < structs && is_sound;) {
    // Not the first one, with which the group begins.
    std::uint64_t read = i > 0 ? ReadLetters(Client(client), clock, structs - i) : 0;
    if (read == 0 && i > 0) read = ReadTexts(Client(client), clock, structs - i);
    i += std::max<std::uint64_t>(read, 1);
    is_sound = read > 0 ? rest_.ok() : ReadStruct(Client(client), clock);
  }
}

Transcoded ReaderV2::Run() {
  const std::uint64_t groups = rest_.VarUintUpTo(v2_.size(), kCountTooLarge);
  for (std::uint64_t i = 0; i < groups && ok(); ++i) ReadGroup();
  const DeleteSet deleted = DecodeDeleteSetV2(rest_);
  if (ok() && !AtEnd()) rest_.Fail("a column goes on behind the last struct");
  if (ok() && !rest_.AtEnd()) rest_.Fail(kBytesFollow);
  if (const Malformed malformed = FindMalformed()) return {.malformed = malformed};
  Transcoded made{.update = writer_.Finish(deleted)};
  if (made.update.size() <= size_bytes_max_) return made;
  return {.malformed = {.offset_bytes = v2_.size(), .reason = kTooLarge}};
}

}  // namespace

Transcoded TranscodeToV2(std::string_view v1, IdleBits idle_bits) {
  UpdateReader reader(v1);
  WriterV2 writer(idle_bits);
  StructView view;
  std::array<TextStruct, kTextsAtOnce> texts;
  while (reader.Next(view)) {
    writer.Write(view, reader.is_first_of_client());
    for (;;) {
      const std::span<const TextStruct> told = reader.NextTexts(texts);
      if (told.empty()) break;
      writer.Write(told, view.id.client);
    }
  }
  Lib0Reader& rest = reader.rest();
  const DeleteSet deleted = DeleteSet::Decode(rest);
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (!rest.ok()) return {.malformed = rest.malformed()};
  return {.update = writer.Finish(deleted)};
}

Transcoded TranscodeToV1(std::string_view v2, std::size_t size_bytes_max) {
  return ReaderV2(v2, size_bytes_max).Run();
}

void EncodeDeleteSetV2(const DeleteSet& deleted, Lib0Writer& writer) {
  writer.VarUint(deleted.clients().size());
  for (auto entry = deleted.clients().rbegin(); entry != deleted.clients().rend(); ++entry) {
    writer.VarUint(entry->first.value());
    writer.VarUint(entry->second.size());
    Clock before = 0;
    for (const ClockRange& range : entry->second) {
      writer.VarUint(range.begin - before);
      writer.VarUint(range.end - range.begin - 1);
      before = range.end;
    }
  }
}

DeleteSet DecodeDeleteSetV2(Lib0Reader& reader) {
  const auto count = [&reader] {
    return reader.VarUintUpTo(reader.remaining_bytes() / 2, kCountTooLarge);
  };
  std::vector<std::pair<Client, ClockRange>> all;
  const std::uint64_t clients = count();
  for (std::uint64_t i = 0; i < clients && reader.ok(); ++i) {
    const Client client(reader.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
    const std::uint64_t ranges = count();
    Clock before = 0;
    for (std::uint64_t k = 0; k < ranges && reader.ok(); ++k) {
      const auto skipped =
          static_cast<Clock>(reader.VarUintUpTo(kClockMax - before, "a clock is above 2^32 - 1"));
      const Clock begin = before + skipped;
      const std::uint64_t length = 1 + reader.VarUintUpTo(kClockMax, kLengthTooLarge);
      if (length > kClockMax - begin) {
        reader.Fail(kLengthTooLarge);
        break;
      }
      before = begin + static_cast<Clock>(length);
      all.push_back({client, {.begin = begin, .end = before}});
    }
  }
  return reader.ok() ? DeleteSet::FromRanges(std::move(all)) : DeleteSet();
}

}  // namespace coterie::crdt
