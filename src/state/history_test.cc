// Documents' texts over time: edits against a naive model, versions, storage that is rewritten and
// pruned, and a Kv that lost or changed something.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class HistoryTest : public MachineTest {
 protected:
  HistoryTest() { ann_ = LoginForLong("ann"); }
  // For tests that take days.
  SessionId LoginForLong(const std::string& user) {
    Login login = LoginOf(user);
    login.create_user = true;
    login.lifetime_ms = std::uint64_t{1} << 50;
    return Ok({}, std::move(login)).session;
  }
  DocId Make(const std::string& text) {
    return Ok(ann_, CreateDocument{.name = "d" + std::to_string(++made_), .text = text}).doc;
  }
  void LockFor(DocId doc) { token_ = Ok(ann_, Lock{.doc = doc, .ttl_ms = 60'000}).token; }
  Outcome Rewrite(DocId doc, const std::string& text) {
    return Ok(ann_, Write{.doc = doc, .token = token_, .text = text});
  }
  // What a subscriber has who applied every change to the text it knew.
  static std::string Follow(std::string text, const std::vector<Event>& events) {
    for (const Event& event : events) {
      const auto* changed = std::get_if<DocumentChanged>(&event.body);
      if (changed == nullptr) continue;
      for (const TextChange& change : changed->changes) {
        EXPECT_EQ(text.compare(change.position_bytes, change.deleted.size(), change.deleted), 0);
        text.replace(change.position_bytes, change.deleted.size(), change.inserted);
      }
    }
    return text;
  }
  std::size_t RecordsIn(char table) const {
    return static_cast<std::size_t>(
        std::count_if(kv_.committed().begin(), kv_.committed().end(),
                      [table](const auto& record) { return record.first.front() == table; }));
  }

  // An edit of some letters of `text`, which is then as it leaves it.
  static Edit AnySplice(Prng& prng, DocId doc, const std::string& inserted, std::string& text) {
    std::vector<std::size_t> at;  // Where letters begin, and the end.
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (i == text.size() || !IsContinuationByte(text[i])) at.push_back(i);
    }
    const std::uint64_t begin = prng.Below(at.size());
    const std::uint64_t end = std::min<std::uint64_t>(at.size() - 1, begin + prng.Below(20));
    text.replace(at[begin], at[end] - at[begin], inserted);
    return {
        .doc = doc, .unit = PositionUnit::kCodePoint, .splices = {{begin, end - begin, inserted}}};
  }

  SessionId ann_;
  FencingToken token_;
  int made_ = 0;
};

TEST_F(HistoryTest, ADocumentBeginsWithAVersion) {
  for (const std::string& text : {std::string(), std::string("hello")}) {
    const DocId doc = Make(text);
    const DocumentView view = *machine_->FindDocument(doc);
    EXPECT_EQ(view.revision.value(), doc.value());
    EXPECT_EQ(view.size_bytes, text.size());
    EXPECT_EQ(view.author, "ann");
    EXPECT_EQ(view.owner, "ann");
    ASSERT_EQ(machine_->Versions(doc).size(), 1u);
    EXPECT_EQ(machine_->Versions(doc)[0].kind, ChangeKind::kWrite);
    EXPECT_EQ(machine_->TextAt(doc, view.revision), text);
    EXPECT_FALSE(machine_->TextAt(doc, view.revision.Previous()).has_value());  // Before it.
    EXPECT_FALSE(machine_->TextAt(doc, view.revision + 100).has_value());       // Not yet there.
  }
  EXPECT_FALSE(machine_->TextAt(DocId(999), Revision()).has_value());
  EXPECT_TRUE(machine_->Versions(DocId(999)).empty());
}

TEST_F(HistoryTest, VersionsAreListedInPages) {
  const DocId doc = Make("0");
  for (int i = 1; i < 20; ++i) Ok(ann_, Append{.doc = doc, .text = "x"});
  const std::vector<VersionView> all = machine_->Versions(doc);
  ASSERT_EQ(all.size(), 20u);
  Revision before;
  for (std::size_t i = 0; i < all.size(); i += 3) {
    const std::vector<VersionView> page = machine_->Versions(doc, before, 3);
    ASSERT_EQ(page.size(), std::min<std::size_t>(3, all.size() - i));
    for (std::size_t k = 0; k < page.size(); ++k) EXPECT_EQ(page[k].revision, all[i + k].revision);
    before = page.back().revision;
  }
  EXPECT_TRUE(machine_->Versions(doc, before, 3).empty());
  EXPECT_EQ(machine_->Versions(doc, Revision(all[0].revision.value() + 9), 1).size(), 1u);
}

TEST_F(HistoryTest, WhatChangesNothingMakesNoVersion) {
  const DocId doc = Make("same");
  LockFor(doc);
  const Revision before = machine_->FindDocument(doc)->revision;
  EXPECT_TRUE(EventsOf(ann_, Write{.doc = doc, .token = token_, .text = "same"}).empty());
  EXPECT_TRUE(EventsOf(ann_, Append{.doc = doc}).empty());
  EXPECT_TRUE(EventsOf(ann_, Edit{.doc = doc}).empty());
  EXPECT_TRUE(EventsOf(ann_, Edit{.doc = doc, .splices = {{.position = 2}}}).empty());
  EXPECT_EQ(machine_->FindDocument(doc)->revision, before);
  EXPECT_EQ(machine_->Versions(doc).size(), 1u);
}

TEST_F(HistoryTest, AnEventSaysWhatChangedAndWhatWasBefore) {
  const DocId doc = Make("one two");
  LockFor(doc);
  const std::vector<Event> events =
      EventsOf(ann_, Write{.doc = doc, .token = token_, .text = "one 2 two"});
  ASSERT_EQ(events.size(), 1u);
  const auto& changed = std::get<DocumentChanged>(events[0].body);
  EXPECT_EQ(changed.kind, ChangeKind::kWrite);
  EXPECT_EQ(changed.previous.value(), doc.value());
  ASSERT_EQ(changed.changes.size(), 1u);
  EXPECT_EQ(changed.changes[0].position_bytes, 4u);
  EXPECT_EQ(changed.changes[0].deleted, "");
  EXPECT_EQ(changed.changes[0].inserted, "2 ");
}

TEST_F(HistoryTest, SplicesOfOneEditAllMeanTheTextBeforeIt) {
  const DocId doc = Make("abcdef");
  const std::vector<Event> events = EventsOf(
      ann_, Edit{.doc = doc, .splices = {{0, 1, "AAA"}, {2, 0, "-"}, {2, 2, ""}, {6, 0, "!"}}});
  EXPECT_EQ(TextOf(doc), "AAAb-ef!");
  EXPECT_EQ(Follow("abcdef", events), "AAAb-ef!");
}

TEST_F(HistoryTest, WhatTwoDeletedIsDeletedOnceAndWhatOneInsertedStays) {
  const DocId doc = Make("0123456789");
  const Revision base = machine_->applied().index;
  Ok(ann_, Edit{.doc = doc, .splices = {{3, 4, "XY"}}});  // 012XY789
  Ok(ann_, Edit{.doc = doc, .base = base, .splices = {{2, 4, "a"}}});
  EXPECT_EQ(TextOf(doc), "01aXY789");
  Ok(ann_, Edit{.doc = doc, .base = base, .splices = {{0, 10, "b"}}});
  EXPECT_EQ(TextOf(doc), "baXY");  // All that both knew is gone.
  Ok(ann_, Edit{.doc = doc, .base = base, .splices = {{10, 0, "end"}}});
  EXPECT_EQ(TextOf(doc), "baXYend");
}

TEST_F(HistoryTest, ABaseOfAnotherTimeIsRefused) {
  Make("other");
  const DocId doc = Make("text");
  const Revision before = Revision(doc.value()).Previous();
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .base = before, .splices = {{0, 0, "x"}}}),
            Code::kOutOfRange);
  const Revision now = machine_->applied().index.Next();  // Its own: nobody has read that yet.
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .base = now, .splices = {{0, 0, "x"}}}),
            Code::kOutOfRange);
  // Of a revision at which something else happened, and the text was as it was.
  Make("another");
  Ok(ann_, Edit{.doc = doc, .base = machine_->applied().index, .splices = {{0, 0, "x"}}});
  EXPECT_EQ(TextOf(doc), "xtext");
}

// Nobody makes all others wait with one small edit.
TEST_F(HistoryTest, AnEditIsNotTransformedOverHundredsOfMegabytes) {
  const DocId doc = Make("text");
  LockFor(doc);
  const Revision base = machine_->applied().index;
  Rewrite(doc, std::string(3 << 20, 'x'));
  Ok(ann_, Edit{.doc = doc, .base = base, .splices = {{0, 0, "fine"}}});
  for (int i = 0; i < 24; ++i) Rewrite(doc, std::string(3 << 20, static_cast<char>('a' + i)));
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .base = base, .splices = {{0, 0, "late"}}}),
            Code::kOutOfRange);
  EXPECT_FALSE(machine_->divergence().has_value());
}

TEST_F(HistoryTest, PositionsAreCheckedInTheTextThatTheyMean) {
  const DocId doc = Make("0123456789");
  const Revision base = machine_->applied().index;
  Ok(ann_, Edit{.doc = doc, .splices = {{0, 8, ""}}});
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .splices = {{9, 1, ""}}}), Code::kOutOfRange);
  Ok(ann_, Edit{.doc = doc, .base = base, .splices = {{9, 1, "!"}}});
  EXPECT_EQ(TextOf(doc), "8!");
}

// Letters that know who they are: what a set of edits must leave is plain to see.
TEST_F(HistoryTest, EditsFromAnyBaseKeepWhatNobodyDeleted) {
  Prng prng(21);
  for (int round = 0; round < 30; ++round) {
    std::string letters = "abcdefghijklmnopqrstuvwxyz";
    const DocId doc = Make(letters);
    const Revision base = machine_->applied().index;
    std::string deleted;
    std::string inserted;
    for (int edit = 0; edit < 12; ++edit) {  // All of them from the same base.
      std::vector<Splice> splices;
      for (std::uint64_t at = prng.Below(6); at < 26 && splices.size() < 4;) {
        const std::uint64_t size = std::min<std::uint64_t>(prng.Below(4), 26 - at);
        const std::string text(1, static_cast<char>('A' + edit * 2 + splices.size() % 2));
        splices.push_back({at, size, text});
        deleted += letters.substr(at, size);
        inserted += text;
        at += size + prng.Between(1, 8);
      }
      Ok(ann_, Edit{.doc = doc, .base = base, .splices = splices});
    }
    std::string kept;
    std::string added;
    for (const char letter : TextOf(doc)) (letter >= 'a' ? kept : added) += letter;
    std::string expected;
    for (const char letter : letters) {
      if (deleted.find(letter) == std::string::npos) expected += letter;
    }
    EXPECT_EQ(kept, expected);
    std::sort(added.begin(), added.end());
    std::sort(inserted.begin(), inserted.end());
    EXPECT_EQ(added, inserted);
  }
}

// Writes, edits, appends and restores at random on a few documents, a tiny cache, restarts: every
// version that is kept reads as a naive history of strings says, and so does who followed events.
TEST_F(HistoryTest, EveryVersionReadsAsItWasWritten) {
  const Machine::Options options{.content_cache_bytes_max = 4'000};
  Restart(options);
  Prng prng(22);
  const std::vector<std::string> letters = {"a", "ß", "€", "\U0001F600"};
  const auto any_text = [&](std::uint64_t size) {
    std::string text;
    while (size-- > 0) text += letters[prng.Below(letters.size())];
    return text;
  };
  std::map<DocId, std::map<Revision, std::string>> model;
  std::map<DocId, std::string> followed;
  std::map<DocId, FencingToken> tokens;
  for (int i = 0; i < 3; ++i) {
    const std::string text = any_text(50);
    const DocId doc = Make(text);
    LockFor(doc);
    model[doc][Revision(doc.value())] = followed[doc] = text;
    tokens[doc] = token_;
  }
  for (int step = 0; step < 700; ++step) {
    auto& [doc, versions] = *std::next(model.begin(), static_cast<int>(prng.Below(3)));
    std::string text = versions.rbegin()->second;
    CommandBody body;
    const std::uint64_t kind = prng.Below(10);
    if (kind == 0) {
      text = any_text(prng.Below(3'000));  // Some changes are large.
      body = Write{.doc = doc, .token = tokens[doc], .text = text};
    } else if (kind == 1) {
      const auto version =
          std::next(versions.begin(), static_cast<int>(prng.Below(versions.size())));
      text = version->second;
      body = Restore{.doc = doc, .token = tokens[doc], .version = version->first};
    } else if (kind == 2) {
      const std::string more = any_text(prng.Below(30));
      text += more;
      body = Append{.doc = doc, .text = more};
    } else {
      body = AnySplice(prng, doc, any_text(prng.Below(20)), text);
    }
    const bool is_changed = text != versions.rbegin()->second;
    const ApplyResult result = ApplyCommandOf(ann_, std::move(body));
    ASSERT_TRUE(result.outcome->ok()) << result.outcome->message;
    if (result.events) followed[doc] = Follow(followed[doc], result.events->events);
    ASSERT_EQ(result.events.has_value(), is_changed);
    if (result.events) versions[machine_->applied().index] = text;
    ASSERT_EQ(followed[doc], text);
    if (prng.Chance(1, 60)) Restart(options);
  }
  machine_->CheckInvariantsDeep();
  for (const auto& [doc, versions] : model) {
    EXPECT_EQ(TextOf(doc), versions.rbegin()->second);
    const std::vector<VersionView> listed = machine_->Versions(doc);
    ASSERT_EQ(listed.size(), versions.size());
    auto version = versions.rbegin();
    for (const VersionView& view : listed) {
      ASSERT_EQ(view.revision, version->first);
      ASSERT_EQ(machine_->TextAt(doc, view.revision), version->second);
      ++version;
    }
  }
}

TEST_F(HistoryTest, OnlyTheNewestVersionsAreKeptOneByOne) {
  const DocId doc = Make("");
  LockFor(doc);
  std::vector<Revision> revisions = {Revision(doc.value())};
  for (int i = 0; i < 1'500; ++i) {
    revisions.push_back(Ok(ann_, Append{.doc = doc, .text = "x"}).revision);
  }
  // 1 501 of them; the oldest became archived ones, the empty one and one sitting.
  const std::vector<VersionView> versions = machine_->Versions(doc, Revision(), 2'000);
  const std::size_t kept = versions.size() - 2;
  EXPECT_GE(kept, kVersionsPerDocumentMax);
  EXPECT_LT(kept, kVersionsPerDocumentMax + kArchivedPerChange);
  const Revision oldest = versions[kept - 1].revision;
  EXPECT_EQ(oldest, revisions[1'501 - kept]);
  EXPECT_EQ(machine_->TextAt(doc, oldest)->size(), 1'501 - kept);
  EXPECT_EQ(versions[kept].revision, oldest.Previous());
  EXPECT_EQ(versions[kept].inserted_bytes, 1'500 - kept);
  EXPECT_EQ(machine_->TextAt(doc, oldest.Previous())->size(), 1'500 - kept);
  EXPECT_EQ(machine_->TextAt(doc, revisions.front()), "");
  // Within a sitting nothing is known any more, and no edit may mean it.
  for (const Revision within : {revisions[1], Revision(oldest.Previous().value() - 1)}) {
    EXPECT_FALSE(machine_->TextAt(doc, within).has_value());
    EXPECT_EQ(CodeOf(ann_, Restore{.doc = doc, .token = token_, .version = within}),
              Code::kOutOfRange);
  }
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .base = oldest.Previous(), .splices = {{0, 0, "x"}}}),
            Code::kOutOfRange);
  EXPECT_LT(RecordsIn('v'), 2 * kVersionsPerDocumentMax);
  EXPECT_EQ(RecordsIn('y'), 2u);
  Restart();
  EXPECT_EQ(TextOf(doc).size(), 1'500u);
  Ok(ann_, Restore{.doc = doc, .token = token_, .version = oldest.Previous()});
  EXPECT_EQ(TextOf(doc).size(), 1'500 - kept);
}

// Two people write for days. Whatever is listed reads as it did then, and can be restored.
TEST_F(HistoryTest, EverySittingOfTheirsIsKept) {
  Prng prng(3);
  const SessionId bob = LoginForLong("bob");
  const DocId doc = Make("");
  Ok(ann_, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kEditor});
  std::map<Revision, std::string> texts = {{Revision(doc.value()), ""}};
  std::string text;
  std::size_t sittings = 0;
  while (texts.size() < 3'500) {
    const SessionId who = prng.Chance(1, 2) ? ann_ : bob;
    time_ms_ += 10 * 60 * 1'000;
    ++sittings;
    for (std::uint64_t typed = prng.Between(1, 60); typed > 0; --typed) {
      time_ms_ += prng.Below(3'000);
      const std::string letters = prng.Chance(1, 30) ? std::string(400, 'z') : "\u00e9";
      const Edit edit = AnySplice(prng, doc, letters, text);
      texts[Ok(who, edit).revision] = text;
    }
  }
  std::vector<VersionView> versions = machine_->Versions(doc, Revision(), 20'000);
  EXPECT_GT(versions.size(), kVersionsPerDocumentMax + sittings / 2);
  EXPECT_LT(versions.size(), kVersionsPerDocumentMax + kArchivedPerChange + 2 * sittings);
  Restart();
  for (const VersionView& version : versions) {
    ASSERT_EQ(machine_->TextAt(doc, version.revision), texts.at(version.revision));
  }
  // In pages they are the same.
  std::vector<Revision> paged;
  for (Revision before; paged.empty() || paged.back() != before;) {
    if (!paged.empty()) before = paged.back();
    for (const VersionView& version : machine_->Versions(doc, before, 7))
      paged.push_back(version.revision);
  }
  ASSERT_EQ(paged.size(), versions.size());
  for (std::size_t i = 0; i < paged.size(); ++i) ASSERT_EQ(paged[i], versions[i].revision);
  LockFor(doc);
  for (const std::size_t i : {versions.size() - 1, versions.size() - 40, versions.size() / 2}) {
    Ok(ann_, Restore{.doc = doc, .token = token_, .version = versions[i].revision});
    EXPECT_EQ(TextOf(doc), texts.at(versions[i].revision));
  }
  EXPECT_GT(RecordsIn('k'), 0u);
  machine_->CheckInvariantsDeep();
}

TEST_F(HistoryTest, OfTheOldestSittingsThoseBeyondABoundGo) {
  const DocId doc = Make("");
  for (std::size_t i = 0; i < kArchivedVersionsMax + 3'000; ++i) {
    time_ms_ += 10 * 60 * 1'000;
    Ok(ann_, Append{.doc = doc, .text = "x"});
    payloads_.clear();
  }
  const std::vector<VersionView> versions = machine_->Versions(doc, Revision(), 20'000);
  EXPECT_GE(versions.size(), kArchivedVersionsMax + kVersionsPerDocumentMax);
  EXPECT_LE(versions.size(), kArchivedVersionsMax + kVersionsPerDocumentMax + kArchivedPerChange);
  EXPECT_EQ(machine_->TextAt(doc, versions.back().revision)->size(),
            kArchivedVersionsMax + 3'001 - versions.size());
  EXPECT_FALSE(machine_->TextAt(doc, versions.back().revision.Previous()).has_value());
  EXPECT_LT(RecordsIn('y'), kArchivedVersionsMax + 1'000);
  machine_->CheckInvariantsDeep();
}

TEST_F(HistoryTest, LargeTextsGrowShrinkAndComeBack) {
  const std::string large(1'500'000, 'x');  // Several pieces.
  const DocId doc = Make(large);
  LockFor(doc);
  const Revision first(doc.value());
  Rewrite(doc, "small");
  Restart();
  EXPECT_EQ(TextOf(doc), "small");
  EXPECT_TRUE(machine_->TextAt(doc, first) == large);  // Not printed when it differs.
  Ok(ann_, Restore{.doc = doc, .token = token_, .version = first});
  Restart();
  EXPECT_TRUE(TextOf(doc) == large);
  EXPECT_EQ(machine_->FindDocument(doc)->size_bytes, large.size());
}

TEST_F(HistoryTest, ATextHasABound) {
  const std::string part(3 << 20, 'x');
  const DocId doc = Make("");
  while (machine_->FindDocument(doc)->size_bytes + part.size() <= kTextBytesMax) {
    Ok(ann_, Append{.doc = doc, .text = part});
  }
  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc, .text = part}), Code::kExhausted);
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .splices = {{0, 0, part}}}), Code::kExhausted);
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc, .splices = {{0, part.size(), part}}}), Code::kOk);
}

TEST_F(HistoryTest, ADeletedDocumentLeavesNothingButItsNameForItsEvents) {
  Restart({.events_retained_max = 20});
  const DocId doc = Make("text");
  for (int i = 0; i < 1'200; ++i) {
    time_ms_ += 10 * 60 * 1'000;
    Ok(ann_, Append{.doc = doc, .text = std::string(300, 'x')});
  }
  EXPECT_GT(RecordsIn('y'), 100u);
  EXPECT_GT(RecordsIn('k'), 0u);
  Ok(ann_, DeleteDocument{.doc = doc});
  EXPECT_EQ(machine_->RoleOf("ann", doc), DocumentRole::kOwner);  // Its events are still told.
  EXPECT_FALSE(machine_->TextAt(doc, Revision()).has_value());
  for (const CommandBody& body :
       {CommandBody(RenameDocument{.doc = doc, .name = "x"}),
        CommandBody(DeleteDocument{.doc = doc}), CommandBody(ShareDocument{.doc = doc}),
        CommandBody(Lock{.doc = doc, .ttl_ms = 1}), CommandBody(Unlock{.doc = doc}),
        CommandBody(BreakLock{.doc = doc}), CommandBody(Edit{.doc = doc}),
        CommandBody(Write{.doc = doc}), CommandBody(Restore{.doc = doc})}) {
    EXPECT_EQ(CodeOf(ann_, body), Code::kNotFound) << body.index();
  }
  const DocId other = Make("other");
  for (int i = 0; i < 400; ++i) Ok(ann_, Append{.doc = other, .text = "x"});
  for (const char table : {'y', 'k', 'x', 'w'}) EXPECT_EQ(RecordsIn(table), 0u) << table;
  EXPECT_EQ(machine_->RoleOf("ann", doc), DocumentRole::kNone);
  EXPECT_EQ(RecordsIn('d'), 1u);
  EXPECT_EQ(RecordsIn('h'), 1u);
  EXPECT_EQ(RecordsIn('v'), machine_->Versions(other).size());
  Restart({.events_retained_max = 20});
}

TEST_F(HistoryTest, ANameIsFreeAgain) {
  const DocId doc = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  const DocId other = Ok(ann_, CreateDocument{.name = "other"}).doc;
  EXPECT_EQ(CodeOf(ann_, RenameDocument{.doc = other, .name = "notes"}), Code::kAlreadyExists);
  EXPECT_TRUE(EventsOf(ann_, RenameDocument{.doc = other, .name = "other"}).empty());
  Ok(ann_, DeleteDocument{.doc = doc});
  const std::vector<Event> events = EventsOf(ann_, RenameDocument{.doc = other, .name = "notes"});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<DocumentRenamed>(events[0].body).name, "notes");
  EXPECT_EQ(machine_->FindDocumentByName("notes")->id, other);
}

TEST_F(HistoryTest, RestoreNamesAVersionExactly) {
  const DocId doc = Make("one");
  const Revision first = machine_->applied().index;
  EXPECT_EQ(CodeOf(ann_, Restore{.doc = doc, .version = first}), Code::kLockRequired);
  LockFor(doc);
  Rewrite(doc, "two");
  EXPECT_EQ(CodeOf(ann_, Restore{.doc = doc, .token = token_, .version = first.Next()}),
            Code::kOutOfRange);  // At that revision there was no change of the text.
  const std::vector<Event> events =
      EventsOf(ann_, Restore{.doc = doc, .token = token_, .version = first});
  EXPECT_EQ(std::get<DocumentChanged>(events[0].body).kind, ChangeKind::kRestore);
  EXPECT_EQ(TextOf(doc), "one");
  EXPECT_EQ(machine_->Versions(doc).size(), 3u);
}

}  // namespace
}  // namespace coterie::state
