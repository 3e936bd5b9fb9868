#include "tests/yjs/scenario.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/prng.h"

namespace coterie::tests {
namespace {

constexpr std::uint64_t kRandomPosition = 1 << 20;  // Far above every length.

// Of one to four bytes, with surrogate pairs and what joins to one sign.
constexpr std::array<std::string_view, 14> kPieces = {
    "a", "b",    "word ",           "\n",           "é",          "ß",  "€", "人",
    "😀", "🏽", "👩🏽‍🚀", "\xEF\xBB\xBF", "0123456789", "𝒳y𝒵"};

class Drawer {
 public:
  Drawer(std::uint64_t seed, const ScenarioLimits& limits) : prng_(seed), limits_(limits) {}

  Scenario Draw() {
    subject_ = limits_.subject.value_or(static_cast<Subject>(prng_.Below(kSubjects)));
    is_astral_ = prng_.Chance(1, 4);
    replicas_ = prng_.Between(2, 4);
    has_gc_ = !prng_.Chance(1, 4);
    has_undo_ = prng_.Chance(1, 3);
    has_objects_ = limits_.has_object_attributes || prng_.Chance(1, 6);
    Say(Json::array({"reset"}));
    for (std::uint64_t i = 0; i < replicas_; ++i) DrawReplica(i);
    const std::uint64_t count = prng_.Between(limits_.commands / 4, limits_.commands);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (prng_.Chance(1, 10)) {
        DrawLook();
      } else if (prng_.Chance(subject_ == Subject::kFront ? 18 : 11, 20)) {
        DrawEdit();
      } else {
        DrawExchange();
      }
    }
    DrawEnd();
    return std::move(scenario_);
  }

 private:
  void Say(Json command) { scenario_.commands.push_back(std::move(command)); }

  void DrawReplica(std::uint64_t number) {
    // Ids of one, five and eight bytes; those of real clients have 32 bits.
    constexpr std::array<std::uint64_t, 3> kBases = {1, 0xf000'0000, 0x1f'ffff'ffff'ff00};
    const std::uint64_t base = kBases[prng_.Chance(3, 4) ? prng_.Below(2) : 2];
    const std::uint64_t client = base + prng_.Below(16) * 4 + number;
    Say({"doc.new", number, {{"client", client}, {"gc", has_gc_}}});
    Say({"roots", number, {"t:t", "a:a", "m:m", "x:x"}});
    if (prng_.Chance(1, 2)) Say({"observe", number, {"t:t", "a:a", "m:m", "x:x"}});
    if (has_undo_) DrawTracking(number);
  }

  // Of all roots or of some of them.
  void DrawTracking(std::uint64_t number) {
    Json scope = Json::array();
    const bool has_all = prng_.Chance(1, 2);
    for (const char* root : {"t:t", "a:a", "m:m", "x:x"}) {
      if (has_all || prng_.Chance(1, 2)) scope.push_back(root);
    }
    if (scope.empty()) scope.push_back("t:t");
    Say({"undo.track",
         number,
         scope,
         {{"joins", prng_.Chance(1, 3)}, {"replaces", prng_.Chance(1, 3)}}});
  }

  std::uint64_t DrawReplicaNumber() { return prng_.Below(replicas_); }
  std::uint64_t DrawVersion() { return prng_.Chance(1, 4) ? 2 : 1; }
  std::uint64_t DrawPosition() {
    // Often near the end or the beginning, where people write.
    if (prng_.Chance(1, 5)) return 0;
    return prng_.Below(kRandomPosition);
  }
  std::uint64_t DrawLength() { return prng_.Chance(1, 8) ? prng_.Below(40) : prng_.Between(1, 4); }

  std::string DrawString() {
    std::string text;
    const std::uint64_t pieces = prng_.Chance(1, 10) ? prng_.Between(5, 12) : prng_.Between(1, 3);
    for (std::uint64_t i = 0; i < pieces; ++i) {
      text += is_astral_ ? kPieces[7 + prng_.Below(7)] : kPieces[prng_.Below(kPieces.size())];
    }
    return text;
  }

  std::string DrawKey() { return std::string(1, static_cast<char>('k' + prng_.Below(4))); }
  // Also what JavaScript's objects have already, or put in front of all else.
  std::string DrawOddKey() {
    static constexpr std::array<std::string_view, 8> kKeys = {"constructor", "toString", "0", "10",
                                                              "9",           "",         "é", "😀"};
    return prng_.Chance(1, 6) ? std::string(kKeys[prng_.Below(kKeys.size())]) : DrawKey();
  }
  std::string DrawMapKey() { return prng_.Chance(1, 16) ? "__proto__" : DrawOddKey(); }

  Json DrawBytes() { return {{"$bytes", prng_.Chance(1, 3) ? "" : "AP8B"}}; }
  // Numbers that JSON has not.
  Json DrawOddNumber() {
    static constexpr std::array<std::string_view, 4> kNumbers = {"-0", "NaN", "Infinity",
                                                                 "-Infinity"};
    return {{"$number", kNumbers[prng_.Below(kNumbers.size())]}};
  }
  Json DrawBigInt() {
    static constexpr std::array<std::string_view, 6> kIntegers = {"0",
                                                                  "-1",
                                                                  "12345678901",
                                                                  "9007199254740993",
                                                                  "9223372036854775807",
                                                                  "-9223372036854775808"};
    return {{"$bigint", kIntegers[prng_.Below(kIntegers.size())]}};
  }
  // What `any` has and JSON has not. Yjs's lists take the latter two only within other values.
  Json DrawOddValue() {
    switch (prng_.Below(4)) {
      case 0:
        return DrawOddNumber();
      case 1:
        return DrawBytes();
      case 2:
        return {{"$undefined", 1}};
      default:
        return DrawBigInt();
    }
  }

  Json DrawValue(int depth = 0) {
    if (prng_.Chance(1, 12)) return depth == 0 ? DrawOddNumber() : DrawOddValue();
    switch (prng_.Below(depth < 2 ? 11 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return prng_.Chance(1, 2);
      case 2:
        return prng_.Below(200);
      case 3:
        return -static_cast<std::int64_t>(prng_.Below(1u << 31));
      case 4:
        return static_cast<double>(prng_.Below(1000)) / 8;
      case 5:
        return static_cast<double>(prng_.Below(1'000'000)) / 7;
      case 6:
        return prng_.Between(std::uint64_t{1} << 31, (std::uint64_t{1} << 53) - 1);
      case 7:
        return DrawString();
      case 8:
        return DrawList(depth);
      default:
        return DrawObject(depth);
    }
  }
  Json DrawList(int depth) {
    Json list = Json::array();
    const std::uint64_t count = prng_.Below(3);
    for (std::uint64_t i = 0; i < count; ++i) list.push_back(DrawValue(depth + 1));
    return list;
  }
  // In this library's objects keys are sorted, and so they are in Yjs, which keeps their order.
  Json DrawObject(int depth) {
    Json object = Json::object();
    const std::uint64_t count = prng_.Below(3);
    for (std::uint64_t i = 0; i < count; ++i) object[DrawKey()] = DrawValue(depth + 1);
    return object;
  }

  // What is the same in JSON and in `any`, as which an embed travels in format V2.
  Json DrawJsonValue(int depth = 0) {
    switch (prng_.Below(depth < 3 ? 8 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return prng_.Chance(1, 2);
      case 2:
        return -static_cast<std::int64_t>(prng_.Below(1u << 31));
      case 3:
        return static_cast<double>(prng_.Below(1000)) + 0.375;
      case 4:
        return DrawString();
      case 5: {
        Json list = Json::array();
        for (std::uint64_t n = prng_.Below(3); n > 0; --n) list.push_back(DrawJsonValue(depth + 1));
        return list;
      }
      default: {
        Json object = Json::object();
        for (std::uint64_t n = prng_.Below(3); n > 0; --n) {
          object[DrawKey()] = DrawJsonValue(depth + 1);
        }
        return object;
      }
    }
  }
  Json DrawEmbed() {
    return {{"image", prng_.Chance(1, 2) ? Json(DrawString()) : DrawJsonValue()}};
  }

  // The value of a key.
  Json DrawEntry() { return prng_.Chance(1, 10) ? DrawOddValue() : DrawContent(); }
  // A value of an array or map, which may be more than `any`.
  Json DrawContent() {
    switch (prng_.Below(12)) {
      case 0:
        return DrawBytes();
      case 1:
        return {{"$type", "Array"}};
      case 2:
        return {{"$type", "Map"}};
      case 3:
        return {{"$type", "Text"}};
      case 4:
        return {{"$doc", "guid" + std::to_string(prng_.Below(3))}, {"options", Json::object()}};
      case 5:
        return {{"$type", "XmlFragment"}};
      default:
        return DrawValue();
    }
  }

  Json DrawRareAttribute() {
    if (has_objects_ && prng_.Chance(1, 6)) return Json::object();
    if (has_objects_ && prng_.Chance(1, 3)) return {{"a", prng_.Below(2)}, {"b", "x"}};
    if (has_objects_) return {{"a", prng_.Below(2)}};
    return prng_.Chance(1, 2) ? Json(prng_.Below(2)) : Json(prng_.Chance(1, 2));
  }

  Json DrawAttributes() {
    static constexpr std::array<std::string_view, 3> kNames = {"bold", "colour", "link"};
    Json attributes = Json::object();
    const std::uint64_t count = prng_.Between(1, 2);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name(kNames[prng_.Below(kNames.size())]);
      attributes[name] = prng_.Chance(1, 3)   ? Json(nullptr)
                         : prng_.Chance(1, 4) ? DrawRareAttribute()
                                              : Json(prng_.Chance(1, 2) ? "x" : "y");
    }
    return attributes;
  }

  // A root, or some type that was made in this scenario.
  Json DrawTarget(std::string_view root) {
    if (prng_.Chance(1, 3)) return prng_.Below(1000);
    return std::string(root);
  }

  // As Quill tells of a change; it may reach beyond the end.
  Json DrawDelta() {
    Json delta = Json::array();
    for (std::uint64_t n = prng_.Between(1, 4); n > 0; --n) {
      Json op = Json::object();
      const std::uint64_t kind = prng_.Below(8);
      if (kind < 3) {
        op["retain"] = DrawLength();
      } else if (kind < 4 && MayDeleteText()) {
        op["delete"] = DrawLength();
      } else {
        op["insert"] = kind < 7 ? Json(DrawString()) : DrawEmbed();
      }
      if (!op.contains("delete") && prng_.Chance(2, 3)) op["attributes"] = DrawAttributes();
      delta.push_back(std::move(op));
    }
    return delta;
  }

  // See ScenarioLimits::has_object_attributes.
  bool MayDeleteText() const { return !has_objects_ || limits_.has_object_attributes; }

  Json DrawTextEdit(bool is_rich) {
    const Json target = DrawTarget("t:t");
    const std::uint64_t kind = prng_.Below(is_rich ? 14 : 6);
    if (kind >= 12) return {"text.delta", target, DrawDelta()};
    if (kind < 4 || (kind < 6 && !MayDeleteText())) {
      return {"text.insert", target, DrawPosition(), DrawString(), nullptr};
    }
    if (kind < 6) return {"text.delete", target, DrawPosition(), DrawLength()};
    if (kind < 8) return {"text.insert", target, DrawPosition(), DrawString(), DrawAttributes()};
    if (kind < 11) return {"text.format", target, DrawPosition(), DrawLength(), DrawAttributes()};
    Json embed = prng_.Chance(1, 3) ? Json({{"$type", "Map"}}) : DrawEmbed();
    return {"text.embed", target, DrawPosition(), embed, Json::object()};
  }

  Json DrawArrayEdit() {
    const Json target = DrawTarget("a:a");
    if (prng_.Chance(1, 3)) return {"list.delete", target, DrawPosition(), DrawLength()};
    Json values = Json::array();
    const std::uint64_t count = prng_.Between(1, 4);
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(DrawContent());
    return {"list.insert", target, DrawPosition(), values};
  }

  // No documents as prototypes: those say themselves what they are in JSON.
  Json DrawSet(const Json& target) {
    if (prng_.Chance(1, 16)) return {"map.set", target, "__proto__", DrawValue()};
    return {"map.set", target, DrawOddKey(), DrawEntry()};
  }

  Json DrawMapEdit() {
    const Json target = DrawTarget("m:m");
    if (prng_.Chance(1, 4)) return {"map.delete", target, DrawMapKey()};
    return DrawSet(target);
  }

  Json DrawXmlEdit() {
    const Json target = DrawTarget("x:x");
    const Json node = prng_.Below(1000);
    switch (prng_.Below(11)) {
      case 0:
        return {"list.delete", target, DrawPosition(), prng_.Between(1, 2)};
      case 1:
        return {"attribute.set", node, DrawOddKey(), DrawString()};
      case 2:
        return {"attribute.delete", node, DrawOddKey()};
      case 3:
        return {"text.insert", node, DrawPosition(), DrawString(), nullptr};
      case 4:
        if (MayDeleteText()) return {"text.delete", node, DrawPosition(), DrawLength()};
        [[fallthrough]];
      case 5:
        return {"list.insert", target, DrawPosition(), Json::array({{{"$type", "XmlText"}}})};
      case 6:
        return {"attribute.set", node, DrawOddKey(), DrawEntry()};
      case 7:
        return DrawSet(node);
      case 8:
        return {"list.insert", target, DrawPosition(),
                Json::array({{{"$type", "XmlHook"}, {"name", DrawKey()}}})};
      default:
        return {"list.insert", target, DrawPosition(),
                Json::array({{{"$type", "XmlElement"}, {"name", DrawKey()}}})};
    }
  }

  Json DrawFrontEdit() {
    const std::uint64_t position = prng_.Chance(4, 5) ? 0 : prng_.Below(4);
    if (prng_.Chance(1, 12)) return DrawTextEdit(true);
    if (prng_.Chance(1, 2)) return {"text.insert", "t:t", position, "a", nullptr};
    return {"list.insert", "a:a", position, Json::array({prng_.Below(10)})};
  }

  Json DrawOneEdit() {
    switch (subject_ == Subject::kEverything ? static_cast<Subject>(prng_.Below(5)) : subject_) {
      case Subject::kText:
        return DrawTextEdit(false);
      case Subject::kRichText:
        return DrawTextEdit(true);
      case Subject::kArray:
        return prng_.Chance(1, 6) ? DrawTextEdit(true) : DrawArrayEdit();
      case Subject::kMap:
        return prng_.Chance(1, 6) ? DrawArrayEdit() : DrawMapEdit();
      case Subject::kXml:
        return DrawXmlEdit();
      case Subject::kFront:
        return DrawFrontEdit();
      case Subject::kEverything:
        break;
    }
    CHECK(false);
    return {};
  }

  void DrawEdit() {
    Json command = {"edit", DrawReplicaNumber()};
    const std::uint64_t edits = prng_.Chance(1, 4) ? prng_.Between(2, 4) : 1;
    for (std::uint64_t i = 0; i < edits; ++i) command.push_back(DrawOneEdit());
    Say(std::move(command));
  }

  // Undo and redo, places that stay, snapshots: what does not exchange anything.
  void DrawLook() {
    static constexpr std::array<std::string_view, 3> kLists = {"t:t", "a:a", "x:x"};
    const std::uint64_t replica = DrawReplicaNumber();
    const std::uint64_t kind = prng_.Below(has_undo_ ? 8 : 4);
    if (kind >= 4 && prng_.Chance(1, 6)) return Say({"undo.stop", replica});
    if (kind >= 4) return Say({kind < 7 ? "undo" : "redo", replica});
    if (kind == 0 && !has_gc_) {
      snapshots_ = std::min<std::uint64_t>(snapshots_ + 1, 3);
      return Say({"snapshot", replica, replica * 10 + prng_.Below(snapshots_)});
    }
    if (kind == 1 && !has_gc_) return Say({"snapshot.restore", replica, replica * 10});
    if (kind == 2) return Say({"absolute.of", replica, prng_.Below(1000)});
    Say({"relative", replica, DrawTarget(kLists[prng_.Below(3)]), DrawPosition(),
         prng_.Chance(1, 2) ? 0 : -1});
  }

  Json DrawNumbers(std::uint64_t count) {
    Json numbers = Json::array();
    for (std::uint64_t i = 0; i < count; ++i) numbers.push_back(prng_.Below(1000));
    return numbers;
  }

  void DrawExchange() {
    const std::uint64_t from = DrawReplicaNumber();
    const std::uint64_t to = (from + 1 + prng_.Below(replicas_ - 1)) % replicas_;
    const std::uint64_t version = DrawVersion();
    switch (prng_.Below(12)) {
      case 0:
        return Say({"send.merged", from, to, DrawNumbers(prng_.Between(2, 6)), version});
      case 1:
        return Say({"send.diffed", from, to, version});
      case 2:
        return Say({"send.whole", from, to, version});
      case 3:
      case 4:
        return Say({"sync", from, to, version});
      default:
        return Say({"send", from, to, DrawNumbers(prng_.Between(1, 4)), version});
    }
  }

  // Everybody gets all, and all documents are looked at.
  void DrawEnd() {
    for (std::uint64_t i = 0; i < replicas_; ++i) {
      Say({"events", i});
      Say({"state", i, DrawVersion()});
    }
    for (std::uint64_t i = 1; i < replicas_; ++i) Say({"sync", i, 0, DrawVersion()});
    for (std::uint64_t i = 1; i < replicas_; ++i) Say({"sync", 0, i, DrawVersion()});
    for (std::uint64_t i = 0; i < replicas_; ++i) {
      Say({"events", i});
      Say({"state", i, 1});
    }
  }

  Prng prng_;
  ScenarioLimits limits_;
  Scenario scenario_;
  Subject subject_ = Subject::kText;
  bool is_astral_ = false;
  bool has_gc_ = true;
  bool has_undo_ = false;
  bool has_objects_ = false;  // As values of attributes.
  std::uint64_t snapshots_ = 0;
  std::uint64_t replicas_ = 2;
};

}  // namespace

std::string Scenario::ToRequest() const { return Json(commands).dump(); }

Scenario DrawScenario(std::uint64_t seed, const ScenarioLimits& limits) {
  return Drawer(seed, limits).Draw();
}

std::size_t CountExchanged(const Scenario& scenario) {
  std::size_t count = 0;
  for (const Json& command : scenario.commands) {
    const std::string& verb = command.at(0).get_ref<const std::string&>();
    if (verb == "send") count += command.at(3).size();
    if (verb == "send.merged" || verb == "send.diffed" || verb == "send.whole" || verb == "sync") {
      ++count;
    }
  }
  return count;
}

}  // namespace coterie::tests
