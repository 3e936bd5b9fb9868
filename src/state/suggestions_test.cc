// Suggestions: they follow the letters that they are about, are accepted by the least edit, and are
// gone when somebody else has changed those letters.

#include <string>
#include <utility>
#include <vector>

#include "crdt/doc.h"
#include "crdt/relative_position.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class Suggestions : public MachineTest {
 protected:
  void Begin(const std::string& text) {
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
    doc_ = Ok(ann_, CreateDocument{.name = "notes", .text = text}).doc;
  }
  AddSuggestions AddOf(std::vector<SuggestedChange> changes, Revision base = {}) {
    return {.doc = doc_,
            .base = base,
            .author = "AI for ann",
            .model = "tiny",
            .changes = std::move(changes)};
  }
  Revision Add(std::vector<SuggestedChange> changes, Revision base = {}) {
    return Ok(ann_, AddOf(std::move(changes), base)).revision;
  }
  ResolveSuggestions AcceptOf(Revision batch, std::uint64_t ordinal = 0) {
    return {.doc = doc_, .batch = batch, .ordinal = ordinal};
  }
  void Type(std::uint64_t position, std::uint64_t deleted, const std::string& inserted) {
    Ok(bob_, Edit{.doc = doc_, .splices = {{position, deleted, inserted}}});
  }
  std::vector<SuggestionView> Open() { return machine_->Suggestions(doc_); }
  std::string Text() { return TextOf(doc_); }

  SessionId ann_;
  SessionId bob_;
  DocId doc_;
};

TEST_F(Suggestions, AreShownWithWhatTheyMean) {
  Begin("\U0001F600 She go home.");

  const std::vector<Event> events =
      EventsOf(ann_, AddOf({{.position = 7, .before = "go", .after = "goes", .why = "verb"}}));

  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].user, "ann");
  EXPECT_EQ(std::get<SuggestionsAdded>(events[0].body).count, 1u);
  ASSERT_EQ(Open().size(), 1u);
  const SuggestionView view = Open()[0];
  EXPECT_EQ(view.batch, machine_->applied().index);
  EXPECT_EQ(view.ordinal, 1u);
  EXPECT_EQ(view.user, "ann");
  EXPECT_EQ(view.author, "AI for ann");
  EXPECT_EQ(view.model, "tiny");
  EXPECT_EQ(view.why, "verb");
  ASSERT_TRUE(view.range.has_value());
  EXPECT_EQ(*view.range, std::pair(std::uint64_t{7}, std::uint64_t{9}));
  crdt::RelativePosition begin;
  crdt::RelativePosition end;
  ASSERT_FALSE(crdt::DecodeRelativePosition(view.begin_anchor, begin));
  ASSERT_FALSE(crdt::DecodeRelativePosition(view.end_anchor, end));
  // Of its first letter and its last.
  ASSERT_TRUE(begin.item.has_value() && end.item.has_value());
  EXPECT_EQ(end.item->clock, begin.item->clock + 1);
  EXPECT_GE(begin.assoc, 0);
  EXPECT_LT(end.assoc, 0);
}

TEST_F(Suggestions, FollowTheirLettersThroughOthersTyping) {
  Begin("She go home. He run.");
  const Revision batch = Add({{.position = 4, .before = "go", .after = "goes"},
                              {.position = 16, .before = "run", .after = "runs"}});
  Type(0, 0, "Look: ");
  Type(13, 0, "straight ");
  Type(10, 0, "will ");  // At the edge of the first one: outside of it.
  Restart({.content_cache_bytes_max = 0});

  Ok(bob_, AcceptOf(batch));

  EXPECT_EQ(Text(), "Look: She will goes straight home. He runs.");
  EXPECT_TRUE(Open().empty());
}

TEST_F(Suggestions, AreMovedFromTheirBaseToNow) {
  Begin("She go home. He run.");
  const Revision base = machine_->applied().index;
  Type(0, 0, "Look: ");
  Type(23, 2, "a");  // "ran" where it was "run".

  const Revision batch = Add({{.position = 4, .before = "go", .after = "goes"},
                              {.position = 16, .before = "run", .after = "runs"}},
                             base);

  ASSERT_EQ(Open().size(), 1u);
  EXPECT_EQ(Open()[0].range->first, 10u);
  Ok(bob_, AcceptOf(batch, 1));
  EXPECT_EQ(Text().substr(0, 20), "Look: She goes home.");
}

TEST_F(Suggestions, WithNothingThatFitsAreRefused) {
  Begin("She go home.");
  const Revision base = machine_->applied().index;
  Type(5, 0, "-");

  EXPECT_EQ(CodeOf(ann_, AddOf({{.position = 4, .before = "go", .after = "goes"}}, base)),
            Code::kStaleSuggestion);
  EXPECT_EQ(CodeOf(ann_, AddOf({{.position = 40, .before = "go", .after = "goes"}})),
            Code::kOutOfRange);
  EXPECT_TRUE(Open().empty());
}

TEST_F(Suggestions, WhoAcceptsIsTheAuthorWithTheAssistant) {
  Begin("She go home. He run.");
  const Revision batch = Add({{.position = 4, .before = "go", .after = "goes"},
                              {.position = 16, .before = "run", .after = "runs"}});
  Ok(bob_, AcceptOf(batch, 1));
  Type(0, 0, "So: ");

  const std::vector<VersionView> versions = machine_->Versions(doc_);

  ASSERT_EQ(versions.size(), 3u);
  EXPECT_EQ(versions[0].assistant, "");
  EXPECT_EQ(versions[1].author, "bob");
  EXPECT_EQ(versions[1].assistant, "AI for ann");
  EXPECT_EQ(versions[2].assistant, "");
}

TEST_F(Suggestions, AreAcceptedByTheLeastEdit) {
  Begin("The quick brown fox jump over it.");
  const Revision batch = Add({{.position = 0,
                               .before = "The quick brown fox jump over it.",
                               .after = "The quick brown fox jumps over it."}});

  const std::vector<Event> events = EventsOf(bob_, AcceptOf(batch));

  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<SuggestionResolved>(events[0].body).resolution, Resolution::kAccepted);
  const auto& changed = std::get<DocumentChanged>(events[1].body);
  ASSERT_EQ(changed.changes.size(), 1u);
  EXPECT_LE(changed.changes[0].deleted.size(), 4u);
  EXPECT_EQ(Text(), "The quick brown fox jumps over it.");
}

TEST_F(Suggestions, AllOfABatchAreOneVersion) {
  Begin("a b c");
  const std::size_t versions = machine_->Versions(doc_).size();
  const Revision batch = Add({{.position = 0, .before = "a", .after = "alpha"},
                              {.position = 2, .before = "b", .after = ""},
                              {.position = 4, .before = "c", .after = "\U0001F600"},
                              {.position = 5, .before = "", .after = "!"}});

  Ok(bob_, AcceptOf(batch));

  EXPECT_EQ(Text(), "alpha  \U0001F600!");
  EXPECT_EQ(machine_->Versions(doc_).size(), versions + 1);
}

TEST_F(Suggestions, ThatAreStaleAreRemovedAndTheOthersDone) {
  Begin("a b");
  const Revision batch = Add(
      {{.position = 0, .before = "a", .after = "A"}, {.position = 2, .before = "b", .after = "B"}});
  Type(2, 1, "x");
  ASSERT_EQ(Open().size(), 2u);
  EXPECT_TRUE(Open()[0].range.has_value());
  EXPECT_FALSE(Open()[1].range.has_value());

  EXPECT_EQ(CodeOf(bob_, AcceptOf(batch)), Code::kStaleSuggestion);

  EXPECT_EQ(Text(), "A x");
  EXPECT_TRUE(Open().empty());
  EXPECT_EQ(CodeOf(bob_, AcceptOf(batch)), Code::kNotFound);
}

TEST_F(Suggestions, OfDifferentBatchesThatOverlapCannotBothBeDone) {
  Begin("go home");
  const Revision first = Add({{.position = 0, .before = "go home", .after = "stay"}});
  const Revision second = Add({{.position = 0, .before = "go", .after = "run"}});

  Ok(bob_, AcceptOf(first));

  EXPECT_EQ(CodeOf(bob_, AcceptOf(second)), Code::kStaleSuggestion);
  EXPECT_EQ(Text(), "stay");
}

TEST_F(Suggestions, AreRejectedWithoutTouchingTheText) {
  Begin("a");
  const Revision batch = Add({{.position = 0, .before = "a", .after = "b"}});
  ResolveSuggestions reject = AcceptOf(batch, 1);
  reject.resolution = Resolution::kRejected;

  const std::vector<Event> events = EventsOf(bob_, reject);

  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<SuggestionResolved>(events[0].body).resolution, Resolution::kRejected);
  EXPECT_EQ(Text(), "a");
  EXPECT_TRUE(Open().empty());
}

TEST_F(Suggestions, RespectLocksAndRoles) {
  Begin("a");
  const Revision batch = Add({{.position = 0, .before = "a", .after = "b"}});
  const FencingToken token = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 9'000}).token;
  EXPECT_EQ(CodeOf(bob_, AcceptOf(batch)), Code::kLocked);
  Ok(ann_, ShareDocument{.doc = doc_, .role = DocumentRole::kViewer});
  EXPECT_EQ(CodeOf(bob_, AcceptOf(batch)), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(bob_, AddOf({{.position = 0, .before = "a", .after = "c"}})),
            Code::kPermissionDenied);

  ResolveSuggestions accept = AcceptOf(batch);
  accept.token = token;
  Ok(ann_, accept);

  EXPECT_EQ(Text(), "b");
}

TEST_F(Suggestions, AreBoundedAndGoWithTheirDocument) {
  Begin("a");
  const std::vector<SuggestedChange> many(kSuggestionsMax, {.position = 1, .after = "b"});
  for (std::size_t open = 0; open < kOpenSuggestionsMax; open += kSuggestionsMax) Add(many);
  EXPECT_EQ(CodeOf(ann_, AddOf({{.position = 1, .after = "b"}})), Code::kExhausted);
  Restart();
  EXPECT_EQ(Open().size(), kOpenSuggestionsMax);
  EXPECT_EQ(machine_->OpenSuggestionCount(doc_), kOpenSuggestionsMax);
  EXPECT_EQ(machine_->OpenSuggestionCount(doc_, Open().front().batch), kSuggestionsMax);

  Ok(ann_, DeleteDocument{.doc = doc_});

  EXPECT_TRUE(Open().empty());
  for (const auto& [key, value] : kv_.committed()) EXPECT_NE(key[0], 'g');
  Restart();
}

TEST_F(Suggestions, ForAnEmptyTextGoIntoIt) {
  Begin("");
  const Revision batch = Add({{.position = 0, .before = "", .after = "Once"}});
  Restart({.content_cache_bytes_max = 0});

  Ok(ann_, AcceptOf(batch));

  EXPECT_EQ(Text(), "Once");
}

// All letters go, and a picture comes: there is no text any more to put something into.
TEST_F(Suggestions, ForATextThatIsNoneAnyMoreAreStale) {
  Begin("a");
  const Revision batch = Add({{.position = 1, .before = "", .after = "b"}});
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(doc.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
  crdt::Transaction transaction(doc, crdt::Client(7));
  crdt::Text text(doc, doc.Root("text"));
  text.Delete(transaction, 0, 1);
  text.InsertEmbed(transaction, 0, "{}", {});
  Ok(bob_, ApplyUpdate{.doc = doc_, .update = transaction.Commit().update});

  EXPECT_EQ(CodeOf(ann_, AcceptOf(batch)), Code::kStaleSuggestion);
}

}  // namespace
}  // namespace coterie::state
