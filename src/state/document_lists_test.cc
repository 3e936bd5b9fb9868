// Lists of documents: who is listed which, in what order, and what a page may cost.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

std::string NamesIn(const DocumentPage& page) {
  std::string names;
  for (const DocumentView& view : page.documents) names += view.name + " ";
  return names;
}

class DocumentListsTest : public MachineTest {
 protected:
  void SetUp() override {
    root_ = LoginAs("root", true);
    ann_ = LoginAs("ann");
  }
  // d0 to d8: the even ones are everyone's to read, all are root's.
  void MakeNine() {
    for (int i = 0; i < 9; ++i) {
      Ok(root_,
         CreateDocument{.name = "d" + std::to_string(i),
                        .everyone = i % 2 == 0 ? DocumentRole::kViewer : DocumentRole::kNone});
    }
  }
  DocumentPage ByName(const std::string& user, const std::string& after, ListLimits limits) {
    return machine_->DocumentsByName(user, after, limits);
  }
  // All pages of the newest changes, a space between names and a bar between pages.
  std::string ByChange(const std::string& user, const ListLimits& limits) {
    std::string all;
    Revision before;
    for (int pages = 0; pages < 100; ++pages) {
      const DocumentPage page = machine_->DocumentsByChange(user, before, limits);
      EXPECT_LE(page.documents.size(), limits.count_max);
      all += NamesIn(page);
      if (!page.has_more) return all;
      all += "| ";
      EXPECT_TRUE(before.IsNone() || page.last_change < before);
      before = page.last_change;
    }
    return all + "without an end";
  }
  void Touch(const std::string& name) {
    Ok(root_, Edit{.doc = machine_->FindDocumentByName(name)->id, .splices = {{.inserted = "x"}}});
  }

  SessionId root_;
  SessionId ann_;
};

TEST_F(DocumentListsTest, ByNameInPagesOfThoseThatOneMaySee) {
  MakeNine();
  constexpr std::size_t kAll = 1'000;
  const auto names = [&](const std::string& user, const std::string& after, std::size_t max) {
    return NamesIn(ByName(user, after, {.count_max = max, .looked_at_max = kAll}));
  };
  EXPECT_EQ(names("ann", "", 100), "d0 d2 d4 d6 d8 ");
  EXPECT_EQ(names("ann", "", 2), "d0 d2 ");
  EXPECT_EQ(names("ann", "d2", 2), "d4 d6 ");
  EXPECT_EQ(names("ann", "d3", 9), "d4 d6 d8 ");
  EXPECT_EQ(names("root", "d6", 9), "d7 d8 ");
  EXPECT_EQ(names("ann", "d8", 9), "");
  EXPECT_EQ(names("nobody", "", 9), "");
  EXPECT_TRUE(ByName("ann", "d2", {.count_max = 2, .looked_at_max = kAll}).has_more);
  EXPECT_EQ(ByName("ann", "d2", {.count_max = 2, .looked_at_max = kAll}).last_name, "d6");
  EXPECT_FALSE(ByName("ann", "d4", {.count_max = 2, .looked_at_max = kAll}).has_more);
}

TEST_F(DocumentListsTest, APageLooksAtNoMoreThanItMayAndSaysWhereTheNextBegins) {
  MakeNine();
  std::size_t asked = 0;
  const ListLimits limits{
      .count_max = 9, .looked_at_max = 3, .matches = [&asked](std::string_view name) {
        ++asked;
        return name == "d8";
      }};
  const DocumentPage first = ByName("root", "", limits);
  EXPECT_EQ(NamesIn(first), "");
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.last_name, "d2");
  EXPECT_EQ(asked, 3u);
  EXPECT_EQ(NamesIn(ByName("root", "d2", limits)), "");
  const DocumentPage last = ByName("root", "d5", limits);
  EXPECT_EQ(NamesIn(last), "d8 ");
  EXPECT_FALSE(last.has_more);
  asked = 0;
  EXPECT_EQ(ByChange("root", limits), "d8 | | ");
  EXPECT_EQ(asked, 9u);
}

TEST_F(DocumentListsTest, ByChangeTheNewestFirst) {
  MakeNine();
  Touch("d3");
  Touch("d4");
  Touch("d0");
  const std::string of_root = "d0 d4 d3 d8 d7 d6 d5 d2 d1 ";
  EXPECT_EQ(ByChange("root", {.count_max = 100, .looked_at_max = 100}), of_root);
  EXPECT_EQ(ByChange("ann", {.count_max = 100, .looked_at_max = 100}), "d0 d4 d8 d6 d2 ");
  // There are more than may be looked at, but not of those that one may see.
  EXPECT_EQ(ByChange("ann", {.count_max = 100, .looked_at_max = 5}), "d0 d4 d8 d6 d2 ");
  // Those that one may see are too many to look at: all are gone through, four a page.
  EXPECT_EQ(ByChange("ann", {.count_max = 100, .looked_at_max = 4}), "d0 d4 d8 | d6 d2 | ");
  EXPECT_EQ(ByChange("ann", {.count_max = 2, .looked_at_max = 100}), "d0 d4 | d8 d6 | d2 ");
  Ok(root_, DeleteDocument{.doc = machine_->FindDocumentByName("d4")->id});
  Ok(root_, RenameDocument{.doc = machine_->FindDocumentByName("d8")->id, .name = "new"});
  EXPECT_EQ(ByChange("ann", {.count_max = 100, .looked_at_max = 100}), "d0 new d6 d2 ");
  Restart();
  EXPECT_EQ(ByChange("ann", {.count_max = 100, .looked_at_max = 100}), "d0 new d6 d2 ");
}

// Against asking for the role of each, while documents come, are renamed, shared and deleted, and
// accounts are removed and made again.
TEST_F(DocumentListsTest, WhoMaySeeADocumentIsListedItHoweverItWasShared) {
  Prng prng(7);
  const std::string users[] = {"ann", "bob", "eve"};
  LoginAs("bob");
  LoginAs("eve");
  constexpr DocumentRole kRoles[] = {DocumentRole::kNone, DocumentRole::kViewer,
                                     DocumentRole::kEditor};
  const auto name = [&] { return "d" + std::to_string(prng.Below(20)); };
  const auto change = [&]() -> CommandBody {
    const std::optional<DocumentView> found = machine_->FindDocumentByName(name());
    const DocId doc = found ? found->id : DocId(1);
    const std::string& user = users[prng.Below(3)];
    const DocumentRole role = kRoles[prng.Below(3)];
    switch (prng.Below(9)) {
      case 0:
        return RenameDocument{.doc = doc, .name = name()};
      case 1:
        return DeleteDocument{.doc = doc};
      case 2:
        return ShareDocument{.doc = doc, .role = role};
      case 3:
      case 4:
        return ShareDocument{.doc = doc, .user = user, .role = role};
      case 5:
        if (prng.Below(4) > 0) return RemoveUser{.name = user};
        [[fallthrough]];
      case 6:
        return CreateUser{.name = user, .password_hash = "h"};
      case 7:
        return Edit{.doc = doc, .splices = {{.inserted = "x"}}};
      default:
        return CreateDocument{.name = name(), .everyone = role};
    }
  };
  std::size_t listed = 0;
  for (int i = 0; i < 1500; ++i) {
    Do(root_, change());
    if (i % 100 == 0) Restart();
    for (const std::string& user : users) {
      std::vector<DocumentView> expected;
      for (DocumentView& view : machine_->Documents()) {
        if (machine_->RoleOf(user, view.id) != DocumentRole::kNone)
          expected.push_back(std::move(view));
      }
      const ListLimits kAll{.count_max = 100, .looked_at_max = 100};
      ASSERT_EQ(NamesIn(machine_->DocumentsByName(user, "", kAll)),
                NamesIn({.documents = expected}))
          << user << ", change " << i;
      std::sort(expected.begin(), expected.end(), [](const DocumentView& a, const DocumentView& b) {
        return a.revision > b.revision;
      });
      ASSERT_EQ(ByChange(user, kAll), NamesIn({.documents = expected})) << user << ", change " << i;
      listed += expected.size();
    }
  }
  EXPECT_GT(listed, 5'000u);
  machine_->CheckInvariantsDeep();
}

}  // namespace
}  // namespace coterie::state
