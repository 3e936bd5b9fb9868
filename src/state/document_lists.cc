// Lists of documents, page by page: by name, or the newest change first.

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// A page as it fills: looks at no more documents than it may, and knows whether one was left.
class FillingPage {
 public:
  FillingPage(const ListLimits& limits, std::function<DocumentView(const Document&)> view_of)
      : limits_(limits), view_of_(std::move(view_of)) {}

  // False: the page is full, and this one begins the next.
  bool Take(const Document& document, bool is_visible) {
    if (page_.documents.size() >= limits_.count_max || looked_at_ >= limits_.looked_at_max) {
      page_.has_more = true;
      return false;
    }
    ++looked_at_;
    page_.last_change = document.head.revision;
    if (!is_visible) return true;
    page_.last_name = document.record.name;
    if (!limits_.matches || limits_.matches(document.record.name))
      page_.documents.push_back(view_of_(document));
    return true;
  }
  // It was left because it may look at no more, not because it holds all that it may.
  bool is_spent() const { return page_.has_more && page_.documents.size() < limits_.count_max; }
  DocumentPage Finish() { return std::move(page_); }

 private:
  const ListLimits& limits_;
  std::function<DocumentView(const Document&)> view_of_;
  std::size_t looked_at_ = 0;
  DocumentPage page_;
};

}  // namespace

std::vector<DocumentView> Machine::Impl::Documents() const {
  std::vector<DocumentView> views;
  views.reserve(documents_.size());
  for (const auto& [name, id] : documents_by_name_) views.push_back(ViewOf(documents_.at(id)));
  return views;
}

std::optional<std::string_view> Machine::Impl::NextNameFor(const User& user,
                                                           std::string_view after) const {
  if (!user.record.is_admin) return shared_names_.Next(user.record.name, after);
  const auto found =
      after.empty() ? documents_by_name_.begin() : documents_by_name_.upper_bound(after);
  if (found == documents_by_name_.end()) return std::nullopt;
  return found->first;
}

DocumentPage Machine::Impl::DocumentsByName(std::string_view user, std::string_view after_name,
                                            const ListLimits& limits) const {
  FillingPage page(limits, [this](const Document& document) { return ViewOf(document); });
  const User* known = UserOf(user);
  if (known == nullptr) return page.Finish();
  for (auto name = NextNameFor(*known, after_name); name; name = NextNameFor(*known, *name)) {
    const Document& document = documents_.at(documents_by_name_.find(*name)->second);
    if (RoleIn(document.record, user) == DocumentRole::kNone) continue;
    if (!page.Take(document, true)) break;
  }
  return page.Finish();
}

DocumentPage Machine::Impl::DocumentsByChange(std::string_view user, Revision before,
                                              const ListLimits& limits) const {
  FillingPage page(limits, [this](const Document& document) { return ViewOf(document); });
  const User* known = UserOf(user);
  if (known == nullptr) return page.Finish();
  auto next = before.IsNone() ? documents_by_change_.end()
                              : documents_by_change_.lower_bound({before, DocId()});
  while (next != documents_by_change_.begin()) {
    --next;
    const Document& document = documents_.at(next->second);
    if (!page.Take(document, RoleIn(document.record, user) != DocumentRole::kNone)) break;
  }
  // Who sees few of many documents is not led past all the others.
  const bool sees_few = !known->record.is_admin && page.is_spent() &&
                        shared_names_.CountAtMost(user) <= limits.looked_at_max;
  return sees_few ? FewByChange(*known, before, limits) : page.Finish();
}

DocumentPage Machine::Impl::FewByChange(const User& user, Revision before,
                                        const ListLimits& limits) const {
  std::vector<const Document*> visible;
  for (auto name = NextNameFor(user, {}); name; name = NextNameFor(user, *name)) {
    const Document& document = documents_.at(documents_by_name_.find(*name)->second);
    if ((before.IsNone() || document.head.revision < before) &&
        RoleIn(document.record, user.record.name) != DocumentRole::kNone) {
      visible.push_back(&document);
    }
  }
  std::sort(visible.begin(), visible.end(), [](const Document* a, const Document* b) {
    return a->head.revision > b->head.revision;
  });
  FillingPage page(limits, [this](const Document& document) { return ViewOf(document); });
  for (const Document* document : visible) {
    if (!page.Take(*document, true)) break;
  }
  return page.Finish();
}

}  // namespace coterie::state
