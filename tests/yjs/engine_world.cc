#include "tests/yjs/engine_world.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "base/check.h"
#include "crdt/array.h"
#include "crdt/doc_position.h"
#include "crdt/item_store.h"
#include "crdt/map.h"
#include "crdt/merge.h"
#include "crdt/rewind.h"
#include "crdt/text.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/view.h"
#include "crdt/xml.h"

namespace coterie::tests {
namespace {

using crdt::TypeHandle;
using crdt::TypeKind;

constexpr std::size_t kUpdateBytesMax = std::size_t{1} << 26;
constexpr std::uint64_t kForeverTicks = std::uint64_t{1} << 40;

// What our engine says where Yjs throws: it ends up in the answer and is told as a difference.
Json Refusal(const crdt::Malformed& malformed) {
  return {{"error", std::string(malformed.reason)}, {"offset", malformed.offset_bytes}};
}

std::string ToV2(const std::string& update) { return crdt::TranscodeToV2(update).update; }
std::string ToV1(const std::string& update) {
  return crdt::TranscodeToV1(update, kUpdateBytesMax).update;
}
std::string ToVersion(const std::string& update, int version) {
  return version == 1 ? update : ToV2(update);
}
// What Yjs makes of V2 updates: they were converted, so their idle bits are gone; those that a
// merge or a cut sets stay.
std::string Converted(const std::string& update, int version) {
  return version == 1 ? update : ToV1(ToV2(update));
}
std::string Written(const std::string& update, int version) {
  return version == 1 ? update : crdt::TranscodeToV2(update, crdt::IdleBits::kKeep).update;
}
// A document's whole or part, as encodeStateAsUpdate and encodeStateAsUpdateV2 write it.
std::string Encode(const crdt::Doc& doc, const crdt::StateVector& known, int version) {
  return Written(doc.EncodeStateAsUpdate(known), version);
}

std::string MergeAll(const std::vector<std::string>& updates) {
  const std::vector<std::string_view> views(updates.begin(), updates.end());
  return crdt::MergeUpdates(views).update;
}

// -- values --

std::string FromBase64(const std::string& text) {
  std::string bytes;
  CHECK(absl::Base64Unescape(text, &bytes));
  return bytes;
}

void WriteBigEndian(std::uint64_t bits, int bytes, crdt::Lib0Writer& writer) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    writer.U8(static_cast<std::uint8_t>(bits >> shift));
  }
}

void WriteNumber(double number, crdt::Lib0Writer& writer) {
  constexpr double kIntegerMax = 0x7fff'ffff;
  if (std::floor(number) == number && std::abs(number) <= kIntegerMax) {
    writer.U8(125);
    writer.VarInt(static_cast<std::uint64_t>(std::abs(number)), std::signbit(number));
    return;
  }
  const bool is_short = static_cast<double>(static_cast<float>(number)) == number;
  writer.U8(is_short ? 124 : 123);
  if (is_short) {
    WriteBigEndian(std::bit_cast<std::uint32_t>(static_cast<float>(number)), 4, writer);
  } else {
    WriteBigEndian(std::bit_cast<std::uint64_t>(number), 8, writer);
  }
}

// As lib0's writeAny does; written anew here, so that an engine's own mistake is not shared.
void WriteAny(const Json& value, crdt::Lib0Writer& writer) {
  if (value.is_null()) return writer.U8(126);
  if (value.is_boolean()) return writer.U8(value.get<bool>() ? 120 : 121);
  if (value.is_object() && value.contains("$undefined")) return writer.U8(127);
  if (value.is_object() && value.contains("$number")) {
    return WriteNumber(std::stod(value.at("$number").get<std::string>()), writer);
  }
  if (value.is_object() && value.contains("$bigint")) {
    writer.U8(122);
    const std::int64_t integer = std::stoll(value.at("$bigint").get<std::string>());
    return WriteBigEndian(static_cast<std::uint64_t>(integer), 8, writer);
  }
  if (value.is_object() && value.contains("$bytes")) {
    writer.U8(116);
    return writer.VarBytes(FromBase64(value.at("$bytes")));
  }
  if (value.is_number()) return WriteNumber(value.get<double>(), writer);
  if (value.is_string()) {
    writer.U8(119);
    return writer.VarBytes(value.get_ref<const std::string&>());
  }
  if (value.is_array()) {
    writer.U8(117);
    writer.VarUint(value.size());
    for (const Json& inner : value) WriteAny(inner, writer);
    return;
  }
  writer.U8(118);
  writer.VarUint(value.size());
  for (const auto& [key, inner] : value.items()) {
    writer.VarBytes(key);
    WriteAny(inner, writer);
  }
}

std::string ToAny(const Json& value) {
  crdt::Lib0Writer writer;
  WriteAny(value, writer);
  return writer.Take();
}

TypeKind KindNamed(const std::string& name) {
  if (name == "Array") return TypeKind::kArray;
  if (name == "Map") return TypeKind::kMap;
  if (name == "Text") return TypeKind::kText;
  if (name == "XmlElement") return TypeKind::kXmlElement;
  if (name == "XmlFragment") return TypeKind::kXmlFragment;
  if (name == "XmlHook") return TypeKind::kXmlHook;
  CHECK(name == "XmlText");
  return TypeKind::kXmlText;
}

crdt::NewType ToNewType(const Json& value) {
  return {.kind = KindNamed(value.at("$type")), .name = value.value("name", "")};
}

crdt::NewContent ToContent(const Json& value) {
  if (value.is_object() && value.contains("$bytes")) {
    return crdt::NewBinary{FromBase64(value.at("$bytes"))};
  }
  if (value.is_object() && value.contains("$type")) return ToNewType(value);
  if (value.is_object() && value.contains("$doc")) {
    const Json options = value.value("options", Json::object());
    return crdt::NewDoc{value.at("$doc"), options.empty() ? "" : ToAny(options)};
  }
  return crdt::NewAny{ToAny(value)};
}

crdt::Attributes ToAttributes(const Json& attributes) {
  crdt::Attributes made;
  for (const auto& [key, value] : attributes.items()) made.emplace_back(key, value.dump());
  return made;
}

crdt::Delta ToDelta(const Json& ops) {
  using Kind = crdt::DeltaOp::Kind;
  crdt::Delta delta;
  for (const Json& op : ops) {
    crdt::DeltaOp& made = delta.emplace_back();
    made.attributes = ToAttributes(op.value("attributes", Json::object()));
    if (op.contains("insert")) {
      const Json& inserted = op.at("insert");
      made.kind = inserted.is_string() ? Kind::kText : Kind::kEmbed;
      made.text = inserted.is_string() ? inserted.get<std::string>() : inserted.dump();
    } else {
      made.kind = op.contains("retain") ? Kind::kRetain : Kind::kDelete;
      made.length = op.at(made.kind == Kind::kRetain ? "retain" : "delete");
    }
  }
  return delta;
}

bool IsXmlNode(const crdt::NewContent& content) {
  const auto* type = std::get_if<crdt::NewType>(&content);
  return type != nullptr && (type->kind == TypeKind::kXmlElement ||
                             type->kind == TypeKind::kXmlText || type->kind == TypeKind::kXmlHook);
}

bool IsText(TypeKind kind) { return kind == TypeKind::kText || kind == TypeKind::kXmlText; }
bool IsMap(TypeKind kind) { return kind == TypeKind::kMap || kind == TypeKind::kXmlHook; }
bool IsXmlList(TypeKind kind) {
  return kind == TypeKind::kXmlElement || kind == TypeKind::kXmlFragment;
}

// -- what a new type is filled with, as Yjs does when it is inserted --

bool IsFilled(const Json& value) {
  return value.is_object() && value.contains("$type") && value.contains("content");
}

void InsertAll(crdt::Doc& doc, crdt::Transaction& transaction, TypeHandle list, std::uint64_t index,
               const Json& values);
void SetKey(crdt::Doc& doc, crdt::Transaction& transaction, TypeHandle map, const std::string& key,
            const Json& value);

void Fill(crdt::Doc& doc, crdt::Transaction& transaction, TypeHandle type, const Json& value) {
  const Json& content = value.at("content");
  if (content.is_array()) {
    InsertAll(doc, transaction, type, 0, content);
  } else if (content.is_string()) {
    crdt::Text(doc, type).Insert(transaction, 0, content.get_ref<const std::string&>());
  } else {
    for (const auto& [key, inner] : content.items()) SetKey(doc, transaction, type, key, inner);
  }
}

// In as few calls as can be: what follows a type that is filled comes after its content.
void InsertAll(crdt::Doc& doc, crdt::Transaction& transaction, TypeHandle list, std::uint64_t index,
               const Json& values) {
  std::vector<crdt::NewContent> contents;
  for (const Json& value : values) {
    contents.push_back(ToContent(value));
    if (!IsFilled(value)) continue;
    const auto types = crdt::Array(doc, list).Insert(transaction, index, contents);
    index += contents.size();
    contents.clear();
    Fill(doc, transaction, types.back(), value);
  }
  if (!contents.empty()) crdt::Array(doc, list).Insert(transaction, index, contents);
}

void SetKey(crdt::Doc& doc, crdt::Transaction& transaction, TypeHandle map, const std::string& key,
            const Json& value) {
  const TypeHandle type = crdt::Map(doc, map).Set(transaction, key, ToContent(value));
  if (IsFilled(value)) Fill(doc, transaction, type, value);
}

std::uint64_t Wrap(const Json& position, std::uint64_t length) {
  return position.get<std::uint64_t>() % (length + 1);
}
std::uint64_t Cut(std::uint64_t begin, const Json& count, std::uint64_t length) {
  return std::min(count.get<std::uint64_t>(), length - begin);
}

// -- views --

Json ViewOf(crdt::Doc& doc, TypeHandle type, TypeKind kind) {
  switch (kind) {
    case TypeKind::kArray:
      return Json::parse(crdt::Array(doc, type).ToJson());
    case TypeKind::kMap:
    case TypeKind::kXmlHook:
      return Json::parse(crdt::Map(doc, type).ToJson());
    case TypeKind::kText:
      return crdt::Text(doc, type).ToString();
    case TypeKind::kXmlElement:
    case TypeKind::kXmlFragment:
    case TypeKind::kXmlText:
      return crdt::ToXml(doc, type);
  }
  CHECK(false);
  return {};
}

// What JSON.stringify() makes of toJSON().
Json JsonOf(const crdt::Doc& doc, TypeHandle type, TypeKind kind) {
  const crdt::ItemStore& store = doc.store();
  return crdt::ToJson(crdt::TypeToValue(store, store.Resolve(type), kind));
}

Json DeltaOf(crdt::Doc& doc, TypeHandle type) {
  Json delta = Json::array();
  for (const crdt::DeltaOp& op : crdt::Text(doc, type).ToDelta()) {
    Json told;
    if (op.kind == crdt::DeltaOp::Kind::kText) told["insert"] = op.text;
    if (op.kind == crdt::DeltaOp::Kind::kEmbed) told["insert"] = Json::parse(op.text);
    if (op.kind == crdt::DeltaOp::Kind::kType) {
      told["insert"] = ViewOf(doc, op.type, crdt::KindOf(doc, op.type).value());
    }
    for (const auto& [key, value] : op.attributes) told["attributes"][key] = Json::parse(value);
    delta.push_back(std::move(told));
  }
  return delta;
}

// -- what observers are told --

Json ToJson(const crdt::Attributes& attributes) {
  Json json = Json::object();
  for (const auto& [key, value] : attributes) json[key] = Json::parse(value);
  return json;
}

void AddOp(const crdt::DeltaOp& op, Json& ops) {
  switch (op.kind) {
    case crdt::DeltaOp::Kind::kText:
      return ops.push_back({"text", op.text, ToJson(op.attributes)});
    case crdt::DeltaOp::Kind::kEmbed:
      return ops.push_back({"embed", Json::parse(op.text), ToJson(op.attributes)});
    case crdt::DeltaOp::Kind::kType:
      return ops.push_back({"type", ToJson(op.attributes)});
    case crdt::DeltaOp::Kind::kValues:
      for (const Json& value : Json::parse(op.text)) ops.push_back({"value", value});
      return;
    case crdt::DeltaOp::Kind::kRetain:
      return ops.push_back({"retain", op.length, ToJson(op.attributes)});
    case crdt::DeltaOp::Kind::kDelete:
      return ops.push_back({"delete", op.length});
  }
}

Json ToJson(const crdt::Event& event) {
  static constexpr std::array<std::string_view, 3> kActions = {"add", "update", "delete"};
  Json ops = Json::array();
  for (const crdt::DeltaOp& op : event.delta) AddOp(op, ops);
  Json keys = Json::array();
  for (const crdt::KeyChange& change : event.keys) {
    keys.push_back({change.key, kActions[static_cast<std::size_t>(change.action)]});
  }
  std::sort(keys.begin(), keys.end());
  return {{"delta", ops}, {"keys", keys}};
}

Json PlaceOf(const crdt::Event& event) {
  Json path = Json::array();
  for (const crdt::PathStep& step : event.path) {
    std::visit([&path](const auto& key_or_index) { path.push_back(key_or_index); }, step);
  }
  return Json::array({event.root, path});
}

}  // namespace

EngineWorld::Replica& EngineWorld::At(const Json& number) {
  return *replicas_.at(number.get<int>());
}

std::optional<EngineWorld::Target> EngineWorld::Find(Replica& replica, const Json& target) {
  if (target.is_string()) {
    const std::string name = target.get<std::string>();
    const TypeKind kind = name[0] == 't'   ? TypeKind::kText
                          : name[0] == 'a' ? TypeKind::kArray
                          : name[0] == 'm' ? TypeKind::kMap
                                           : TypeKind::kXmlFragment;
    return Target{replica.doc.Root(name.substr(2)), kind};
  }
  crdt::Id id;
  if (target.is_number()) {
    if (types_.empty()) return std::nullopt;
    id = types_[target.get<std::size_t>() % types_.size()];
  } else {
    id = {.client = crdt::Client{target.at(0).get<std::uint64_t>()},
          .clock = target.at(1).get<crdt::Clock>()};
  }
  const crdt::ItemStore& store = replica.doc.store();
  const crdt::ClientIndex client = store.FindClient(id.client);
  if (client == crdt::kNoClient || !store.Has({.client = client, .clock = id.clock})) {
    return std::nullopt;
  }
  const crdt::Item& item = store.At(store.FindItem({.client = client, .clock = id.clock}));
  if (item.is_deleted || item.kind() != crdt::ContentKind::kType) return std::nullopt;
  const TypeHandle type = store.HandleOf(store.TypeOf(item));
  const std::optional<TypeKind> kind = crdt::KindOf(replica.doc, type);
  CHECK(kind.has_value());
  return Target{type, *kind};
}

void EngineWorld::EditText(Replica& replica, crdt::Transaction& transaction, const Target& target,
                           const Json& edit) {
  const std::string verb = edit.at(0);
  crdt::Text text(replica.doc, target.type);
  if (verb == "text.delta") {
    const Json& delta = edit.at(2);
    if (text.length() == 0 && !delta.at(0).contains("insert")) return;
    return text.ApplyDelta(transaction, ToDelta(delta));
  }
  const std::uint64_t begin = Wrap(edit.at(2), text.length());
  const crdt::Attributes attributes =
      edit.size() > 4 && edit.at(4).is_object() ? ToAttributes(edit.at(4)) : crdt::Attributes{};
  if (verb == "text.insert") {
    const std::string& inserted = edit.at(3).get_ref<const std::string&>();
    if (edit.size() > 4 && edit.at(4).is_object()) {
      text.Insert(transaction, begin, inserted, attributes);
    } else {
      text.Insert(transaction, begin, inserted);
    }
  } else if (verb == "text.delete") {
    text.Delete(transaction, begin, Cut(begin, edit.at(3), text.length()));
  } else if (verb == "text.format") {
    text.Format(transaction, begin, Cut(begin, edit.at(3), text.length()), attributes);
  } else if (edit.at(3).contains("$type")) {
    const Json& value = edit.at(3);
    const TypeHandle type = text.InsertType(transaction, begin, ToNewType(value), attributes);
    if (IsFilled(value)) Fill(replica.doc, transaction, type, value);
  } else {
    text.InsertEmbed(transaction, begin, edit.at(3).dump(), attributes);
  }
}

void EngineWorld::EditList(Replica& replica, crdt::Transaction& transaction, const Target& target,
                           const Json& edit) {
  crdt::Array list(replica.doc, target.type);
  const std::uint64_t begin = Wrap(edit.at(2), list.length());
  if (edit.at(0) == "list.delete") {
    list.Delete(transaction, begin, Cut(begin, edit.at(3), list.length()));
    return;
  }
  for (const Json& value : edit.at(3)) {
    if (IsXmlList(target.kind) && !IsXmlNode(ToContent(value))) return;
  }
  InsertAll(replica.doc, transaction, target.type, begin, edit.at(3));
}

void EngineWorld::EditMap(Replica& replica, crdt::Transaction& transaction, const Target& target,
                          const Json& edit) {
  const std::string verb = edit.at(0);
  crdt::Map map(replica.doc, target.type);
  const std::string key = edit.at(2);
  if (verb == "map.delete" || verb == "attribute.delete") {
    map.Delete(transaction, key);
  } else {
    SetKey(replica.doc, transaction, target.type, key, edit.at(3));
  }
}

void EngineWorld::Edit(Replica& replica, crdt::Transaction& transaction, const Json& edit) {
  const std::string verb = edit.at(0);
  const std::optional<Target> target = Find(replica, edit.at(1));
  if (!target.has_value()) return;
  const TypeKind kind = target->kind;
  const crdt::Clock before = replica.doc.state_vector().At(replica.client);
  if (verb.starts_with("text.")) {
    if (IsText(kind)) EditText(replica, transaction, *target, edit);
  } else if (verb.starts_with("list.")) {
    if (kind == TypeKind::kArray || IsXmlList(kind)) EditList(replica, transaction, *target, edit);
  } else if (verb.starts_with("map.")) {
    if (IsMap(kind)) EditMap(replica, transaction, *target, edit);
  } else {
    CHECK(verb.starts_with("attribute."));
    if (kind == TypeKind::kXmlElement || kind == TypeKind::kXmlText) {
      EditMap(replica, transaction, *target, edit);
    }
  }
  Remember(replica, before);
}

void EngineWorld::Remember(Replica& replica, crdt::Clock before) {
  const crdt::ItemStore& store = replica.doc.store();
  const crdt::ClientIndex client = store.FindClient(replica.client);
  if (client == crdt::kNoClient) return;
  for (crdt::Clock clock = before; clock < store.ClientAt(client).end;) {
    const crdt::Item& item = store.At(store.FindItem({.client = client, .clock = clock}));
    if (item.kind() == crdt::ContentKind::kType) types_.push_back({replica.client, clock});
    clock = item.end();
  }
}

Json EngineWorld::EditAll(const Json& command) {
  Replica& replica = At(command.at(1));
  crdt::Transaction transaction(replica.doc, replica.client, crdt::Watch::kEvents);
  for (std::size_t i = 2; i < command.size(); ++i) Edit(replica, transaction, command.at(i));
  ++replica.now_ticks;
  if (replica.undo != nullptr) replica.undo->Capture(transaction, Ticks(replica.now_ticks));
  const crdt::Outcome outcome = transaction.Commit();
  Tell(replica, outcome);
  if (outcome.update.empty()) return Json::array();
  replica.log.push_back(outcome.update);
  return Json::array({absl::Base64Escape(outcome.update)});
}

void EngineWorld::ApplyTo(Replica& replica, const std::string& update, int version, Json& answer) {
  crdt::Outcome outcome;
  const std::string bytes = version == 1 ? update : ToV1(update);
  if (const auto bad = replica.doc.Apply(bytes, crdt::Watch::kEvents, outcome)) {
    answer.push_back(Refusal(bad));
    return;
  }
  Tell(replica, outcome);
  if (outcome.update.empty()) return;
  replica.log.push_back(outcome.update);
  answer.push_back(absl::Base64Escape(outcome.update));
}

void EngineWorld::Tell(Replica& replica, const crdt::Outcome& outcome) {
  if (!replica.is_observed || outcome.events.empty()) return;
  Json& told = replica.told.emplace_back(Json::object());
  for (const crdt::Event& event : outcome.events) {
    told[PlaceOf(event).dump()].push_back(ToJson(event));
  }
}

Json EngineWorld::Send(const Json& command) {
  const std::vector<std::string> log = At(command.at(1)).log;
  Json answer = Json::array();
  if (log.empty()) return answer;
  const int version = command.at(4);
  for (const Json& number : command.at(3)) {
    const std::string& update = log[number.get<std::size_t>() % log.size()];
    ApplyTo(At(command.at(2)), ToVersion(update, version), version, answer);
  }
  return answer;
}

Json EngineWorld::SendMerged(const Json& command) {
  const std::vector<std::string>& log = At(command.at(1)).log;
  if (log.empty()) return Json::array();
  const int version = command.at(4);
  std::vector<std::string> picked;
  for (const Json& number : command.at(3)) {
    picked.push_back(Converted(log[number.get<std::size_t>() % log.size()], version));
  }
  const std::string merged = Written(MergeAll(picked), version);
  Json answer = Json::array({absl::Base64Escape(merged)});
  ApplyTo(At(command.at(2)), merged, version, answer);
  return answer;
}

Json EngineWorld::SendDiffed(const Json& command) {
  const std::vector<std::string>& log = At(command.at(1)).log;
  if (log.empty()) return Json::array();
  const int version = command.at(3);
  std::vector<std::string> all;
  for (const std::string& update : log) all.push_back(Converted(update, version));
  const std::string merged = MergeAll(all);
  crdt::UpdateView view;
  if (const auto bad = crdt::UpdateView::Open(merged, view)) return Refusal(bad);
  const std::string update = Written(view.Diff(At(command.at(2)).doc.state_vector()), version);
  Json answer = Json::array({absl::Base64Escape(update)});
  ApplyTo(At(command.at(2)), update, version, answer);
  return answer;
}

Json EngineWorld::Sync(const Json& command) {
  const bool is_whole = command.at(0) == "send.whole";
  Replica& target = At(command.at(2));
  const crdt::StateVector known = is_whole ? crdt::StateVector() : target.doc.state_vector();
  const int version = command.at(3);
  const std::string update = Encode(At(command.at(1)).doc, known, version);
  Json answer = Json::array({absl::Base64Escape(update)});
  ApplyTo(target, update, version, answer);
  return answer;
}

Json EngineWorld::View(Replica& replica) {
  Json view = Json::object();
  const std::vector<std::string> names = replica.doc.root_names();
  for (const std::string& name : names) {
    // The scenarios' roots are named after their kinds.
    const std::optional<Target> root = Find(replica, name + ":" + name);
    view[name] = root->kind == TypeKind::kText ? DeltaOf(replica.doc, root->type)
                                               : ViewOf(replica.doc, root->type, root->kind);
  }
  return view;
}

Json EngineWorld::State(const Json& command) {
  Replica& replica = At(command.at(1));
  Json types = Json::array();
  Json json = Json::array();
  const auto add_json = [&](const std::optional<Target>& type) {
    json.push_back(type.has_value() ? JsonOf(replica.doc, type->type, type->kind) : Json(nullptr));
  };
  std::vector<std::string> names = replica.doc.root_names();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) add_json(Find(replica, name + ":" + name));
  for (const crdt::Id& id : types_) {
    const std::optional<Target> type = Find(replica, Json::array({id.client.value(), id.clock}));
    const bool is_text = type.has_value() && IsText(type->kind);
    types.push_back(is_text ? DeltaOf(replica.doc, type->type) : Json(nullptr));
    add_json(type);
  }
  return {{"vector", absl::Base64Escape(replica.doc.state_vector().Encode())},
          {"update", absl::Base64Escape(Encode(replica.doc, {}, command.at(2).get<int>()))},
          {"view", View(replica)},
          {"types", types},
          {"json", json}};
}

Json EngineWorld::Perform(const Json& command) {
  const std::string verb = command.at(0);
  if (verb == "reset") {
    replicas_.clear();
    types_.clear();
    slots_.clear();
    relatives_.clear();
    return nullptr;
  }
  if (verb == "edit") return EditAll(command);
  if (verb == "send") return Send(command);
  if (verb == "send.merged") return SendMerged(command);
  if (verb == "send.diffed") return SendDiffed(command);
  if (verb == "sync" || verb == "send.whole") return Sync(command);
  if (verb == "state") return State(command);
  return PerformOnOne(command);
}

Json EngineWorld::New(const Json& command) {
  const Json& options = command.at(2);
  const auto garbage = options.value("gc", true) ? crdt::Garbage::kCollect : crdt::Garbage::kKeep;
  replicas_[command.at(1).get<int>()] = std::make_unique<Replica>(
      Replica{.doc = crdt::Doc({.garbage = garbage}),
              .client = crdt::Client{options.at("client").get<std::uint64_t>()},
              .log = {},
              .undo = nullptr});
  return nullptr;
}

Json EngineWorld::Track(Replica& replica, const Json& command) {
  using OthersValues = crdt::UndoHistory::Options::OthersValues;
  const Json how = command.size() > 3 ? command.at(3) : Json::object();
  crdt::UndoHistory::Options options{
      .writer = replica.client,
      .scope = {},
      .join_ticks = how.value("joins", false) ? kForeverTicks : 0,
      .others_values = how.value("replaces", false) ? OthersValues::kReplace : OthersValues::kKeep};
  for (const Json& target : command.at(2)) {
    const std::optional<Target> type = Find(replica, target);
    if (type.has_value()) options.scope.push_back(type->type);
  }
  replica.undo = std::make_unique<crdt::UndoHistory>(replica.doc, options);
  return nullptr;
}

Json EngineWorld::StepBack(Replica& replica, Direction direction) {
  if (replica.undo == nullptr) return Json::array();
  crdt::Outcome outcome;
  if (direction == Direction::kUndo) {
    replica.undo->Undo(outcome, crdt::Watch::kEvents);
  } else {
    replica.undo->Redo(outcome, crdt::Watch::kEvents);
  }
  Tell(replica, outcome);
  if (outcome.update.empty()) return Json::array();
  replica.log.push_back(outcome.update);
  return Json::array({absl::Base64Escape(outcome.update)});
}

Json EngineWorld::Snapshot(Replica& replica, const Json& slot) {
  crdt::Snapshot& snapshot = slots_[slot.dump()];
  snapshot = {.deleted = replica.doc.delete_set(), .state = replica.doc.state_vector()};
  return Json::array({absl::Base64Escape(EncodeSnapshot(snapshot, crdt::WireFormat::kV1)),
                      absl::Base64Escape(EncodeSnapshot(snapshot, crdt::WireFormat::kV2))});
}

// What a document encodes that is made of the rewound bytes.
Json EngineWorld::Restore(Replica& replica, const Json& slot) {
  const auto found = slots_.find(slot.dump());
  if (found == slots_.end()) return nullptr;
  const auto rewound = crdt::RewindUpdate(replica.doc.EncodeStateAsUpdate(), found->second);
  CHECK(!rewound.malformed);
  crdt::Doc restored({.garbage = crdt::Garbage::kKeep});
  CHECK(!restored.Apply(rewound.update));
  return absl::Base64Escape(restored.EncodeStateAsUpdate());
}

Json EngineWorld::Relative(Replica& replica, const Json& command) {
  const std::optional<Target> target = Find(replica, command.at(2));
  if (!target.has_value() || IsMap(target->kind)) return nullptr;
  const std::uint64_t length = IsText(target->kind)
                                   ? crdt::Text(replica.doc, target->type).length()
                                   : crdt::Array(replica.doc, target->type).length();
  const auto position = crdt::ToRelativePosition(
      replica.doc, target->type, Wrap(command.at(3), length), command.at(4).get<std::int64_t>());
  CHECK(position.has_value());
  relatives_.push_back(*position);
  return absl::Base64Escape(crdt::EncodeRelativePosition(*position));
}

Json EngineWorld::Absolute(Replica& replica, const Json& n) {
  if (relatives_.empty()) return nullptr;
  // As the others get it: over the wire.
  crdt::RelativePosition position;
  const std::string bytes =
      crdt::EncodeRelativePosition(relatives_[n.get<std::size_t>() % relatives_.size()]);
  CHECK(!crdt::DecodeRelativePosition(bytes, position));
  const auto found = crdt::ToAbsolutePosition(replica.doc, position);
  if (!found.has_value()) return nullptr;
  return {{"index", found->index}, {"association", found->assoc}};
}

Json EngineWorld::PerformOnOne(const Json& command) {
  const std::string verb = command.at(0);
  if (verb == "doc.new") return New(command);
  Replica& replica = At(command.at(1));
  if (verb == "roots") {
    for (const Json& root : command.at(2)) Find(replica, root);
    return nullptr;
  }
  if (verb == "apply") {
    Json answer = Json::array();
    ApplyTo(replica, FromBase64(command.at(2)), command.at(3), answer);
    return answer;
  }
  if (verb == "encode") return absl::Base64Escape(Encode(replica.doc, {}, command.at(2)));
  if (verb == "vector") return absl::Base64Escape(replica.doc.state_vector().Encode());
  if (verb == "undo.track") return Track(replica, command);
  if (verb == "undo.stop") {
    if (replica.undo != nullptr) replica.undo->StopJoining();
    return nullptr;
  }
  if (verb == "observe") {
    replica.is_observed = true;
    return nullptr;
  }
  if (verb == "events") return std::exchange(replica.told, Json::array());
  if (verb == "undo") return StepBack(replica, Direction::kUndo);
  if (verb == "redo") return StepBack(replica, Direction::kRedo);
  if (verb == "snapshot") return Snapshot(replica, command.at(2));
  if (verb == "snapshot.restore") return Restore(replica, command.at(2));
  if (verb == "relative") return Relative(replica, command);
  if (verb == "absolute.of") return Absolute(replica, command.at(2));
  CHECK(verb == "view");
  return View(replica);
}

void EngineWorld::CheckInvariants() const {
  for (const auto& [number, replica] : replicas_) replica->doc.CheckInvariantsDeep();
}

namespace {

bool IsUndefined(const Json& value) { return value.is_object() && value.contains("$undefined"); }

}  // namespace

Json Plain(const Json& answer) {
  if (answer.is_array()) {
    Json plain = Json::array();
    for (const Json& inner : answer) plain.push_back(Plain(inner));
    return plain;
  }
  if (!answer.is_object()) return answer;
  if (answer.contains("$undefined")) return nullptr;
  if (answer.contains("$doc")) return Json::object();
  if (answer.contains("$hook")) return Plain(answer.at("entries"));
  if (answer.contains("$bigint")) return std::stod(answer.at("$bigint").get<std::string>());
  if (answer.contains("$number")) return answer.at("$number") == "-0" ? Json(0) : Json(nullptr);
  if (answer.contains("$bytes")) {
    const std::string bytes = FromBase64(answer.at("$bytes"));
    Json plain = Json::object();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      plain[std::to_string(i)] = static_cast<unsigned char>(bytes[i]);
    }
    return plain;
  }
  Json plain = Json::object();
  for (const auto& [key, inner] : answer.items()) {
    if (!IsUndefined(inner)) plain[key] = Plain(inner);
  }
  return plain;
}

}  // namespace coterie::tests
