#include "yproto/awareness.h"

#include <gtest/gtest.h>

#include "yproto/awareness_state.h"
#include "yproto/test_hex.h"

namespace coterie::yproto {
namespace {

AwarenessOwner Socket(std::uint64_t member, std::uint64_t session) {
  return {.member = member, .session = SessionId(session)};
}
AwarenessOwner Node(std::uint64_t node, std::uint64_t session) {
  return {.node = NodeId(node), .session = SessionId(session)};
}
std::vector<AwarenessEntry> State(std::uint64_t client, std::uint64_t clock,
                                  const std::string& state = "{}") {
  return {{.client = crdt::Client(client), .clock = clock, .state = state}};
}
std::string Clean(const std::string& json) {
  std::string clean;
  EXPECT_FALSE(CleanState(json, "mia", clean)) << json;
  const std::string stamp = R"("coterie":{"user":"mia"}})";
  EXPECT_TRUE(clean.ends_with(stamp)) << clean;
  clean.resize(clean.size() - stamp.size());
  if (clean.back() == ',') clean.pop_back();
  return clean + "}";
}

TEST(Awareness, CodecIsThatOfYProtocols) {
  std::vector<AwarenessEntry> entries;
  ASSERT_FALSE(DecodeAwareness(FromHex("01 07 00 02 7b7d"), entries));
  EXPECT_EQ(entries, State(7, 0));
  EXPECT_EQ(EncodeAwarenessUpdate(entries), FromHex("01 07 00 02 7b7d"));
  EXPECT_EQ(EncodeAwarenessUpdate({}), FromHex("00"));
}

TEST(Awareness, RefusesWhatIsMalformed) {
  std::vector<AwarenessEntry> entries;
  EXPECT_TRUE(DecodeAwareness("", entries));
  EXPECT_TRUE(DecodeAwareness(FromHex("02 07 00 02 7b7d"), entries)) << "one is missing";
  EXPECT_TRUE(DecodeAwareness(FromHex("00 00"), entries)) << "bytes follow";
  EXPECT_TRUE(DecodeAwareness(FromHex("ffffffff7f"), entries)) << "too many";
  EXPECT_TRUE(DecodeAwareness(std::string(kAwarenessBytesMax + 1, '\0'), entries));
}

// As awareness.js: an unknown client's clock counts as 0, so that its first state at 0 is not seen.
TEST(Awareness, NewerClocksWin) {
  AwarenessTable table;
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 0), 0).size(), 0u);
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 1), 0).size(), 1u);
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 1, R"({"a":1})"), 0).size(), 0u);
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 2, R"({"a":1})"), 0).size(), 1u);
  EXPECT_EQ(table.All(), State(7, 2, R"({"a":1})"));
}

TEST(Awareness, NullAtTheSameClockRemovesAndOnlyAHigherOneReturns) {
  AwarenessTable table;
  table.Apply(Socket(1, 1), State(7, 5), 0);

  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 5, "null"), 0).size(), 1u);
  EXPECT_TRUE(table.All().empty());
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 5), 0).size(), 0u);
  EXPECT_EQ(table.Apply(Socket(1, 1), State(7, 6), 0).size(), 1u);
}

// Who comes and goes under one id after the other must not keep the others out.
TEST(Awareness, ATableFullOfWhoHasGoneTakesWhoComes) {
  AwarenessTable table;
  table.Apply(Socket(2, 200), State(1, 1), 0);
  for (std::uint64_t client = 2; client <= kClientsMax + 10; ++client) {
    EXPECT_EQ(table.Apply(Socket(1, 100), State(client, 1), client).size(), 1u) << client;
    EXPECT_EQ(table.Apply(Socket(1, 100), State(client, 1, "null"), client).size(), 1u);
  }
  EXPECT_EQ(table.size(), kClientsMax);

  EXPECT_EQ(table.Apply(Socket(3, 300), State(9'999, 1), 9'999).size(), 1u);
  EXPECT_EQ(table.size(), kClientsMax);
  EXPECT_EQ(table.All().size(), 2u);  // Who is here was not forgotten.
  // Those who went last are remembered still.
  EXPECT_EQ(table.Apply(Socket(1, 100), State(kClientsMax + 10, 1), 9'999).size(), 0u);
}

TEST(Awareness, AMemberHasSoManyClientsAtOnceAndNoMore) {
  AwarenessTable table;
  for (std::uint64_t client = 1; client <= kClientsPerMemberMax; ++client) {
    EXPECT_EQ(table.Apply(Socket(1, 100), State(client, 1), 0).size(), 1u);
  }
  EXPECT_EQ(table.Apply(Socket(1, 100), State(50, 1), 0).size(), 0u);
  table.Apply(Socket(1, 100), State(1, 1, "null"), 0);
  EXPECT_EQ(table.Apply(Socket(1, 100), State(50, 1), 0).size(), 1u);
  EXPECT_EQ(table.Apply(Socket(1, 100), State(51, 1), 0).size(), 0u);
  EXPECT_EQ(table.Expire(kSilentMsMax).size(), kClientsPerMemberMax);
  EXPECT_EQ(table.Apply(Socket(1, 100), State(51, 1), kSilentMsMax).size(), 1u);
  EXPECT_EQ(table.RemoveMember(1, kSilentMsMax).size(), 1u);
  EXPECT_TRUE(table.Expire(kSilentMsMax + kGoneMsMax).empty());
  EXPECT_EQ(table.size(), 0u);
}

TEST(Awareness, AClientHasOneOwner) {
  AwarenessTable table;
  table.Apply(Socket(1, 100), State(7, 1), 0);

  EXPECT_EQ(table.Apply(Socket(2, 200), State(7, 9), 0).size(), 0u);
  EXPECT_EQ(table.Apply(Socket(2, 200), State(7, 9, "null"), 0).size(), 0u);
  EXPECT_EQ(table.Apply(Node(2, 300), State(7, 9), 0).size(), 0u);
  EXPECT_EQ(table.All(), State(7, 1));
  // The same session from a socket that was opened since.
  EXPECT_EQ(table.Apply(Socket(3, 100), State(7, 2), 0).size(), 1u);
  EXPECT_EQ(table.OwnerOf(crdt::Client(7))->member, 3u);
}

// As after the crash of a node, when the page logs in again elsewhere.
TEST(Awareness, AClientIsTakenOverByItsUserInAnotherSession) {
  AwarenessTable table;
  AwarenessOwner before = Node(2, 100);
  before.user = "ann";
  AwarenessOwner after = Socket(1, 200);
  after.user = "ann";
  AwarenessOwner other = Socket(2, 300);
  other.user = "eve";
  table.Apply(before, State(7, 5), 0);

  EXPECT_EQ(table.Apply(other, State(7, 9), 0).size(), 0u);
  EXPECT_EQ(table.Apply(after, State(7, 5), 0).size(), 0u) << "it is no newer one";
  EXPECT_EQ(table.Apply(after, State(7, 6), 0).size(), 1u);
  EXPECT_EQ(table.OwnerOf(crdt::Client(7))->member, 1u);
  // What the other node repeats of it is old.
  EXPECT_EQ(table.Apply(before, State(7, 5), 0).size(), 0u);
  EXPECT_EQ(table.RemoveMember(1, 0).size(), 1u);
}

TEST(Awareness, WhoseSocketEndsIsGone) {
  AwarenessTable table;
  table.Apply(Socket(1, 1), State(7, 3), 0);
  table.Apply(Socket(2, 2), State(8, 3), 0);

  EXPECT_EQ(table.RemoveMember(1, 0), State(7, 3, "null"));
  EXPECT_EQ(table.All(), State(8, 3));
}

TEST(Awareness, WhoIsSilentIsGoneAndForgottenLater) {
  AwarenessTable table;
  table.Apply(Node(2, 1), State(7, 3), 1'000);

  EXPECT_TRUE(table.Expire(1'000 + kSilentMsMax - 1).empty());
  EXPECT_EQ(table.Expire(1'000 + kSilentMsMax), State(7, 3, "null"));
  EXPECT_EQ(table.size(), 1u);
  table.Expire(1'000 + kSilentMsMax + kGoneMsMax);
  EXPECT_EQ(table.size(), 0u);
}

TEST(Awareness, OneSocketHasFewClients) {
  AwarenessTable table;
  for (std::uint64_t client = 1; client <= 10; ++client) {
    table.Apply(Socket(1, 1), State(client, 1), 0);
  }
  EXPECT_EQ(table.All().size(), kClientsPerMemberMax);
}

TEST(AwarenessState, HonestStatesStayAsTheyAre) {
  const std::string honest =
      R"({"user":{"name":"Ana Öztürk","color":"#30bced","colorLight":"#30bced33"},)"
      R"("cursor":{"anchor":{"type":null,"tname":"text","item":null,"assoc":0},"n":[1,-2.5e3]}})";
  EXPECT_EQ(Clean(honest), honest);
  EXPECT_EQ(Clean("{}"), "{}");
  EXPECT_EQ(Clean(" { \"a\" : [ 1 , true ] } "), R"({"a":[1,true]})");
}

// The stylesheet that was seen to cover a page of y-codemirror.next 0.3.6.
TEST(AwarenessState, AColorIsAColor) {
  EXPECT_EQ(Clean(R"x({"user":{"color":"red;position:fixed;inset:0;background:url(/leak)"}})x"),
            R"x({"user":{"color":"#808080"}})x");
  EXPECT_EQ(Clean(R"x({"user":{"\u0063olor":"url(/leak)"}})x"),
            R"x({"user":{"\u0063olor":"#808080"}})x");
  EXPECT_EQ(Clean(R"x({"color":{"light":"x:y","dark":["#fff","a;b"]}})x"),
            R"x({"color":{"light":"#808080","dark":["#fff","#808080"]}})x");
  EXPECT_TRUE(IsColor("#FFF") && IsColor("#12345678") && IsColor("rebeccapurple"));
  EXPECT_TRUE(IsColor("rgba(1, 2, 3, 0.5)") && IsColor("hsl(120 50% 50%)"));
  EXPECT_FALSE(IsColor("") || IsColor("#12") || IsColor("#12345g") || IsColor("rgb(1)x"));
  EXPECT_FALSE(IsColor("rgb(url(x))") || IsColor("red;") || IsColor("var(--x)"));
  EXPECT_FALSE(IsColor("rgb(") || IsColor("rgba(1"));
}

TEST(AwarenessState, ANameIsPlainAndShort) {
  EXPECT_EQ(Clean("{\"name\":\"a\\u202eb\\u0000c\\ud83d\\ude00\"}"),
            "{\"name\":\"abc\xf0\x9f\x98\x80\"}");
  EXPECT_EQ(Clean("{\"userName\":\"" + std::string(500, 'x') + "\"}"),
            "{\"userName\":\"" + std::string(kNameCodePointsMax, 'x') + "\"}");
  EXPECT_EQ(Clean(R"({"name":"\ud800"})"), "{\"name\":\"\xef\xbf\xbd\"}");
}

TEST(AwarenessState, NobodySignsForAnother) {
  EXPECT_EQ(Clean(R"({"coterie":{"user":"root"},"a":1,"coterie":2})"), R"({"a":1})");
}

TEST(AwarenessState, ACursorIsBounded) {
  EXPECT_EQ(Clean("{\"cursor\":[\"" + std::string(kCursorBytesMax, 'x') + "\"]}"),
            R"({"cursor":null})");
}

TEST(AwarenessState, RefusesWhatIsNoState) {
  std::string clean;
  for (const std::string json : {"", "null", "1", "\"x\"", "[]", "{", "{\"a\":}", "{\"a\":1}x",
                                 "{a:1}", "{\"a\":\"\xff\"}", "{'a':1}"}) {
    EXPECT_TRUE(CleanState(json, "mia", clean)) << json;
  }
  std::string deep = "{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}";
  EXPECT_TRUE(CleanState(deep, "mia", clean));
  const std::string large = "{\"a\":\"" + std::string(kStateBytesMax, 'x') + "\"}";
  EXPECT_TRUE(CleanState(large, "mia", clean));
}

}  // namespace
}  // namespace coterie::yproto
