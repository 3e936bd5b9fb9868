// Changing a document's content for several at once: ApplyUpdates.
//
// Each part is judged as the ApplyUpdate of its session would be if the entry held nothing else;
// what is new in those that are accepted is merged on its bytes and applied as one update, so that
// what is stored of the version is what was applied, as everywhere. Nobody's part can harm
// another's: what is wrong with one by itself refuses that one, and if there is no room for all of
// them, there is for those that come first.

#include <algorithm>

#include "base/check.h"
#include "crdt/merge.h"
#include "state/command_check.h"
#include "state/machine_impl.h"
#include "state/names.h"

namespace coterie::state {

Outcome Machine::Impl::Apply(const ApplyUpdates& command) {
  std::vector<Part> parts;
  std::uint64_t bytes = 0;
  for (const UpdatePart& asked : command.parts) {
    parts.push_back(Judge(command.doc, asked, bytes));
    if (!parts.back().news.empty()) bytes += asked.update.size();
  }
  const auto found = documents_.find(command.doc);
  if (found != documents_.end()) {
    MergeParts(found->second, parts);
    SettleDrafts(found->second, parts);
  }
  Outcome outcome;
  for (Part& part : parts) {
    if (!part.is_decided_before) {
      part.outcome.revision = entry_.revision;
      entry_.session = part.asked->session;
      Remember(part.asked->request, part.outcome);
    }
    outcome.parts.push_back(std::move(part.outcome));
  }
  return outcome;
}

// `bytes_before`: of the parts before it that are accepted.
Machine::Impl::Part Machine::Impl::Judge(DocId doc, const UpdatePart& asked,
                                         std::uint64_t bytes_before) {
  Part part{.asked = &asked};
  Session* session = ActAs(asked.session);
  if (session == nullptr) {
    part.outcome = NoSession();
    part.is_decided_before = true;
    return part;
  }
  if (std::optional<Outcome> before = AnswerFromBefore(*session, asked.request)) {
    part.outcome = *std::move(before);
    part.is_decided_before = true;
    return part;
  }
  part.user = entry_.user;
  if (std::optional<Outcome> refused = RefusePart(doc, asked, bytes_before)) {
    part.outcome = *std::move(refused);
    return part;
  }
  const Content* content = ContentOf(documents_.find(doc)->second);
  if (content == nullptr) return part;
  if (const crdt::Malformed malformed = content->FindNews(asked.update, part.news)) {
    part.outcome = NotApplied(malformed);
    part.news.clear();
  }
  return part;
}

std::optional<Outcome> Machine::Impl::RefusePart(DocId doc, const UpdatePart& asked,
                                                 std::uint64_t bytes_before) {
  if (std::optional<Outcome> refused = RefuseMalformedUpdate(asked.update)) return refused;
  auto [document, refusal] = Require(doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  if (std::optional<Outcome> refused = RefuseEdit(*document, FencingToken())) return refused;
  if (!HasRoomFor(*document, bytes_before + asked.update.size())) return TooMuchContent();
  return std::nullopt;
}

// Makes one version of what is new in the parts, in the name of all whose news they are.
void Machine::Impl::MergeParts(Document& document, std::vector<Part>& parts) {
  std::vector<std::string_view> news;
  for (const Part& part : parts) {
    if (!part.news.empty()) news.push_back(part.news);
  }
  if (news.empty()) return;
  std::string merged = crdt::MergeUpdates(news).update;
  Content* content = ContentOf(document);
  if (content == nullptr) return;
  if (RefuseNews(*content, merged)) merged = MergeWhatFits(*content, parts);
  if (merged.empty()) return;
  Content::Effect effect;
  crdt::Malformed malformed = ApplyNews(document, merged, effect);
  if (malformed.reason == crdt::kTooManyConflicts) {
    merged = MergeWhatIsFound(document, parts);
    if (merged.empty()) return;
    effect = {};
    malformed = ApplyNews(document, merged, effect);
  }
  CHECK(!malformed);  // RefuseNews() has said so.
  std::vector<std::string> authors;
  for (const Part& part : parts) {
    if (!part.news.empty()) authors.push_back(part.user);
  }
  entry_.session = SessionId();
  entry_.user = JoinNames(authors);
  Changed(document, ChangeKind::kEdit, std::move(effect));
}

// All together would be searched for too long (crdt/integrate.h): refuses the first with which they
// are, and what else its user sent, until the others are not. That is a few contents loaded for
// every user whose updates are such.
std::string Machine::Impl::MergeWhatIsFound(const Document& document,
                                            std::vector<Part>& parts) const {
  std::vector<Part*> left;
  for (Part& part : parts) {
    if (!part.news.empty()) left.push_back(&part);
  }
  const auto merge = [&left](std::size_t count) {
    std::vector<std::string_view> news;
    for (std::size_t i = 0; i < count; ++i) news.push_back(left[i]->news);
    return news.empty() ? std::string() : crdt::MergeUpdates(news).update;
  };
  const auto is_found = [&](std::size_t count) {
    std::optional<Content> content = LoadContent(document, document.head.ordinal);
    Content::Effect effect;
    if (!content) return true;  // The Kv is broken; nothing counts any more.
    return !content->ApplyNews(merge(count), embeds(), Content::Searches::kBounded, effect);
  };
  do {
    std::size_t found = 0;  // So many of them are found together, and not one more.
    for (std::size_t end = left.size(); end - found > 1;) {
      const std::size_t middle = found + (end - found) / 2;
      (is_found(middle) ? found : end) = middle;
    }
    const std::string user = left[found]->user;
    for (Part* const part : left) {
      if (part->user != user) continue;
      part->outcome = NotApplied({.reason = crdt::kTooManyConflicts});
      part->news.clear();
    }
    std::erase_if(left, [](const Part* part) { return part->news.empty(); });
  } while (!left.empty() && !is_found(left.size()));
  return merge(left.size());
}

std::optional<Outcome> Machine::Impl::RefuseNews(const Content& content,
                                                 std::string_view news) const {
  if (content.WouldWait(news, kPendingBytesMax)) return TooMuchWaits();
  if (const crdt::Malformed malformed = content.RefuseNews(news)) return NotApplied(malformed);
  return std::nullopt;
}

// All together there is no room for them: refuses those that do not fit beside the ones before.
// Merges anew for every part, of which there are few, and all of them within kUpdateBytesMax.
std::string Machine::Impl::MergeWhatFits(const Content& content, std::vector<Part>& parts) const {
  std::string merged;
  for (Part& part : parts) {
    if (part.news.empty()) continue;
    const std::string_view both[] = {merged, part.news};
    std::string more = merged.empty() ? part.news : crdt::MergeUpdates(both).update;
    if (std::optional<Outcome> refused = RefuseNews(content, more)) {
      part.outcome = *std::move(refused);
      part.news.clear();
    } else {
      merged = std::move(more);
    }
  }
  return merged;
}

void Machine::Impl::SettleDrafts(Document& document, const std::vector<Part>& parts) {
  if (document.drafts.empty()) return;
  for (const Part& part : parts) {
    if (part.is_decided_before || !part.outcome.ok()) continue;
    entry_.user = part.user;
    MaybeSettleDraft(document);
  }
}

}  // namespace coterie::state
