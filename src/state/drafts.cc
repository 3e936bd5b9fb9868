// Drafts: what somebody wrote while the document would not take it, as one Yjs update per user and
// document, beside the content and without any effect on it until it is merged.

#include <algorithm>

#include "base/check.h"
#include "crdt/merge.h"
#include "crdt/update_view.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

Key RecordKey(DocId doc, const Draft& draft) { return Key('r', doc, draft.id); }
Key UpdateKey(DocId doc, const Draft& draft) { return Key('q', doc, draft.id); }

// The same for a draft that is not there and for one that may not be seen.
Outcome NoSuchDraft() {
  return Refusal(Code::kNotFound, "There is no such draft, or you may not see it; list them.");
}

std::optional<Outcome> RefuseSize(std::string_view update, std::size_t clients) {
  if (update.size() > kDraftBytesMax) {
    return Refusal(Code::kExhausted,
                   "The draft would be larger than 1 MiB (kDraftBytesMax); it is as it was. Keep "
                   "the rest, and send it when the document can be written.");
  }
  if (clients > kDraftClientsMax) {
    return Refusal(Code::kExhausted,
                   "More than 1000 clients would have written in the draft (kDraftClientsMax).");
  }
  return std::nullopt;
}

}  // namespace

Outcome Machine::Impl::Apply(const SaveDraft& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kViewer);
  if (document == nullptr) return refusal;
  const auto found = document->drafts.find(entry_.user);
  const bool is_new = found == document->drafts.end();
  if (is_new && document->drafts.size() >= kDraftsPerDocumentMax) {
    return Refusal(Code::kExhausted,
                   "There are 100 drafts of this document (kDraftsPerDocumentMax); merge or drop "
                   "some first.");
  }
  const Content* content = ContentOf(*document);
  if (content == nullptr) return {};
  std::string news;
  if (const crdt::Malformed malformed = content->FindNews(command.update, news)) {
    return Refusal(Code::kInvalidArgument,
                   "The update cannot be kept: " + std::string(malformed.reason) + ".");
  }
  if (news.empty()) return {};
  std::string update = crdt::SquashUpdate(news).update;
  if (!is_new) {
    const std::optional<std::string> before = UpdateOf(*document, found->second);
    if (!before) return {};
    const std::string_view both[] = {*before, news};
    update = crdt::SquashUpdate(crdt::MergeUpdates(both).update).update;
    if (update == *before) return {};
  }
  crdt::UpdateView view;
  CHECK(!crdt::UpdateView::Open(update, view));
  if (auto refused = RefuseSize(update, view.groups().size())) return *refused;

  Draft& draft = document->drafts[entry_.user];
  if (is_new) {
    draft.id = entry_.revision;
    draft.record = {.user = entry_.user, .created_at_ms = meta_.time_ms};
    users_.find(entry_.user)->second.drafts.insert(document->id);
  }
  draft.record.saved_at_ms = meta_.time_ms;
  draft.record.size_bytes = update.size();
  draft.record.clocks.clear();
  for (const crdt::UpdateView::Group& group : view.groups()) {
    draft.record.clocks.emplace_back(group.client.value(), group.end);
  }
  Put(RecordKey(document->id, draft).view(), codec::EncodeRecord(draft.record));
  Put(UpdateKey(document->id, draft).view(), update);
  Emit(DraftSaved{.doc = document->id, .user = entry_.user, .size_bytes = update.size()});
  return {};
}

Outcome Machine::Impl::Apply(const MergeDraft& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  const Draft* draft = FindDraft(*document, command.user);
  if (draft == nullptr) return NoSuchDraft();
  if (std::optional<Outcome> refused = RefuseEdit(*document, command.token)) return *refused;
  const std::optional<std::string> update = UpdateOf(*document, *draft);
  if (!update) return {};
  Outcome outcome = MergeUpdate(*document, *update);
  if (!outcome.ok()) return outcome;
  RemoveDraft(*document, command.user);
  Emit(DraftMerged{.doc = document->id, .user = command.user});
  return outcome;
}

Outcome Machine::Impl::Apply(const DropDraft& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kViewer);
  if (document == nullptr) return refusal;
  if (FindDraft(*document, command.user) == nullptr) return NoSuchDraft();
  RemoveDraft(*document, command.user);
  Emit(DraftDropped{.doc = document->id, .user = command.user});
  return {};
}

const Draft* Machine::Impl::FindDraft(const Document& document, const std::string& user) const {
  const auto found = document.drafts.find(user);
  if (found == document.drafts.end()) return nullptr;
  const bool may_see =
      user == entry_.user || RoleIn(document.record, entry_.user) == DocumentRole::kOwner;
  return may_see ? &found->second : nullptr;
}

// Also none when what is stored makes no sense.
std::optional<std::string> Machine::Impl::UpdateOf(const Document& document,
                                                   const Draft& draft) const {
  std::optional<std::string> update = kv_.Get(UpdateKey(document.id, draft).view());
  crdt::UpdateView view;
  if (update && update->size() == draft.record.size_bytes &&
      !crdt::UpdateView::Open(*update, view)) {
    return update;
  }
  Break("a stored draft is missing or no update");
  return std::nullopt;
}

// Costs little as long as something is missing: then it is some client's structs, as a rule.
void Machine::Impl::MaybeSettleDraft(Document& document) {
  const auto found = document.drafts.find(entry_.user);
  if (found == document.drafts.end()) return;
  const Content* content = ContentOf(document);
  if (content == nullptr) return;
  const crdt::StateVector known = content->state_vector();
  const auto& clocks = found->second.record.clocks;
  const bool has_structs = std::all_of(clocks.begin(), clocks.end(), [&known](const auto& clock) {
    return known.At(crdt::Client(clock.first)) >= clock.second;
  });
  if (!has_structs) return;
  const std::optional<std::string> update = UpdateOf(document, found->second);
  std::string news;
  if (!update || content->FindNews(*update, news) || !news.empty()) return;
  RemoveDraft(document, entry_.user);
  Emit(DraftMerged{.doc = document.id, .user = entry_.user});
}

void Machine::Impl::RemoveDraft(Document& document, const std::string& user) {
  const auto found = document.drafts.find(user);
  CHECK(found != document.drafts.end());
  Delete(RecordKey(document.id, found->second).view());
  Delete(UpdateKey(document.id, found->second).view());
  users_.find(user)->second.drafts.erase(document.id);
  document.drafts.erase(found);
}

void Machine::Impl::DropDrafts(Document& document) {
  while (!document.drafts.empty()) {
    const std::string user = document.drafts.begin()->first;
    RemoveDraft(document, user);
  }
}

void Machine::Impl::DropDraftsOf(const User& user) {
  const std::set<DocId> documents = user.drafts;
  for (const DocId id : documents) {
    RemoveDraft(documents_.find(id)->second, user.record.name);
    Emit(DraftDropped{.doc = id, .user = user.record.name});
  }
}

std::vector<DraftView> Machine::Impl::Drafts(DocId doc) const {
  std::vector<DraftView> views;
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return views;
  for (const auto& [user, draft] : document->drafts) {
    views.push_back({.user = user,
                     .created_at_ms = draft.record.created_at_ms,
                     .saved_at_ms = draft.record.saved_at_ms,
                     .size_bytes = draft.record.size_bytes});
  }
  return views;
}

std::optional<std::string> Machine::Impl::DraftUpdate(DocId doc, std::string_view user) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return std::nullopt;
  const auto found = document->drafts.find(user);
  if (found == document->drafts.end()) return std::nullopt;
  return UpdateOf(*document, found->second);
}

std::string Machine::Impl::TextRootOf(DocId doc) const {
  const Document* document = DocumentOf(doc);
  return document == nullptr ? std::string() : document->head.root;
}

}  // namespace coterie::state
