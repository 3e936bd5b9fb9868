// Documents: names, roles, life and death. Their contents are in contents.cc, and what changes
// these in edits.cc.

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// The same for a document that is not there and for one that may not be seen.
Outcome NoSuchDocument() {
  return Refusal(Code::kNotFound, "There is no such document, or you may not see it.");
}

Outcome NameIsTaken() {
  return Refusal(Code::kAlreadyExists, "The name is taken; choose another.");
}

std::vector<Grant>::iterator FindGrant(std::vector<Grant>& grants, std::string_view user) {
  return std::lower_bound(
      grants.begin(), grants.end(), user,
      [](const Grant& grant, std::string_view name) { return grant.user < name; });
}

}  // namespace

DocumentRole Machine::Impl::RoleIn(const DocumentRecord& document, std::string_view user) const {
  const User* known = UserOf(user);
  if (known == nullptr) return DocumentRole::kNone;
  if (known->record.is_admin) return DocumentRole::kOwner;
  const auto grant =
      std::lower_bound(document.grants.begin(), document.grants.end(), user,
                       [](const Grant& grant, std::string_view name) { return grant.user < name; });
  if (grant != document.grants.end() && grant->user == user &&
      grant->user_created == known->record.created) {
    return grant->role;
  }
  return document.everyone;
}

DocumentRole Machine::Impl::RoleOf(std::string_view user, DocId doc) const {
  const auto alive = documents_.find(doc);
  if (alive != documents_.end()) return RoleIn(alive->second.record, user);
  const auto deleted = deleted_.find(doc);
  return deleted == deleted_.end() ? DocumentRole::kNone : RoleIn(deleted->second, user);
}

Machine::Impl::Allowed Machine::Impl::Require(DocId doc, DocumentRole role) {
  const auto found = documents_.find(doc);
  if (found == documents_.end()) return {.refusal = NoSuchDocument()};
  const DocumentRole actual = RoleIn(found->second.record, entry_.user);
  if (actual == DocumentRole::kNone) return {.refusal = NoSuchDocument()};
  if (actual < role) {
    return {.refusal = Refusal(Code::kPermissionDenied,
                               role == DocumentRole::kOwner
                                   ? "Only an owner of this document may do this; ask one."
                                   : "You may only view this document; ask an owner to share it "
                                     "with you as an editor.")};
  }
  return {.document = &found->second};
}

void Machine::Impl::StoreDocument(const Document& document) {
  Put(Key('d', document.id).view(), codec::EncodeRecord(document.record));
}

Outcome Machine::Impl::Apply(const CreateDocument& command) {
  if (documents_by_name_.find(command.name) != documents_by_name_.end()) return NameIsTaken();
  if (documents_.size() >= kDocumentsMax) {
    return Refusal(Code::kExhausted,
                   "There are 1000000 documents (kDocumentsMax); delete some first.");
  }
  const auto owned = documents_of_owner_.find(entry_.user);
  if (owned != documents_of_owner_.end() && owned->second >= kDocumentsPerUserMax) {
    return Refusal(Code::kExhausted,
                   "You have made 100000 documents (kDocumentsPerUserMax); delete some first.");
  }
  const DocId id(entry_.revision.value());
  Document& document = documents_[id];
  document.id = id;
  document.record = {.name = command.name,
                     .owner = entry_.user,
                     .everyone = command.everyone,
                     .grants = {{.user = entry_.user,
                                 .user_created = UserOf(entry_.user)->record.created,
                                 .role = DocumentRole::kOwner}},
                     .created_at_ms = meta_.time_ms};
  const auto name = documents_by_name_.emplace(command.name, id).first;
  shared_names_.Add(name->first, document.record);
  ++documents_of_owner_[entry_.user];
  StoreDocument(document);
  Emit(DocumentCreated{.doc = id, .name = command.name});
  if (command.text.empty()) {
    // A first version all the same: every document has a content as of each of its revisions.
    StoreVersion(document, {.kind = ChangeKind::kWrite}, {});
  } else {
    ChangeText(document, ChangeKind::kWrite, {{.position = {}, .inserted = command.text}});
  }
  return {.doc = id};
}

void Machine::Impl::ForgetName(const Document& document) {
  const auto name = documents_by_name_.find(document.record.name);
  shared_names_.Remove(name->first, document.record);
  documents_by_name_.erase(name);
}

Outcome Machine::Impl::Apply(const RenameDocument& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kOwner);
  if (document == nullptr) return refusal;
  if (document->record.name == command.name) return {};
  if (documents_by_name_.find(command.name) != documents_by_name_.end()) return NameIsTaken();
  ForgetName(*document);
  document->record.name = command.name;
  const auto name = documents_by_name_.emplace(command.name, document->id).first;
  shared_names_.Add(name->first, document->record);
  StoreDocument(*document);
  Emit(DocumentRenamed{.doc = document->id, .name = command.name});
  return {};
}

Outcome Machine::Impl::Apply(const DeleteDocument& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kOwner);
  if (document == nullptr) return refusal;
  if (document->lock && document->lock->session != entry_.session) {
    return RefuseForHolder(*document, Code::kLocked);
  }
  if (document->lock) ReleaseLock(*document, UnlockReason::kDeleted);
  Emit(DocumentDeleted{.doc = document->id, .name = document->record.name});
  document->record.deleted = entry_.revision;
  StoreDocument(*document);
  DropSuggestions(*document);
  DropDrafts(*document);
  DropContent(*document);
  ForgetName(*document);
  const auto owned = documents_of_owner_.find(document->record.owner);
  if (--owned->second == 0) documents_of_owner_.erase(owned);
  deletions_.emplace(entry_.revision, document->id);
  deleted_[document->id] = std::move(document->record);
  documents_.erase(command.doc);
  return {};
}

Outcome Machine::Impl::Apply(const ShareDocument& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kOwner);
  if (document == nullptr) return refusal;
  DocumentRecord changed = document->record;
  if (command.user.empty()) {
    changed.everyone = command.role;
  } else {
    const User* user = UserOf(command.user);
    if (user == nullptr) return Refusal(Code::kNotFound, "There is no user of this name.");
    auto grant = FindGrant(changed.grants, command.user);
    if (grant == changed.grants.end() || grant->user != command.user) {
      if (changed.grants.size() >= kGrantsPerDocumentMax) {
        return Refusal(Code::kExhausted,
                       "The document is shared with 1000 users (kGrantsPerDocumentMax); share it "
                       "with everyone.");
      }
      grant = changed.grants.insert(grant, Grant{.user = command.user});
    }
    grant->user_created = user->record.created;
    grant->role = command.role;
    const auto has_owner = [this](const std::vector<Grant>& grants) {
      return std::any_of(grants.begin(), grants.end(), [this](const Grant& kept) {
        const User* owner = UserOf(kept.user);
        return kept.role == DocumentRole::kOwner && owner != nullptr &&
               owner->record.created == kept.user_created;
      });
    };
    // Where the last one's account was removed, an administrator shares it without one.
    if (has_owner(document->record.grants) && !has_owner(changed.grants)) {
      return Refusal(Code::kInvalidArgument,
                     "This is the document's last owner; make another one first.");
    }
  }
  const std::string_view name = documents_by_name_.find(changed.name)->first;
  shared_names_.Remove(name, document->record);
  shared_names_.Add(name, changed);
  document->record = std::move(changed);
  StoreDocument(*document);
  Emit(DocumentShared{.doc = document->id, .user = command.user, .role = command.role});
  if (document->lock && RoleIn(document->record, document->lock->holder) < DocumentRole::kEditor) {
    ReleaseLock(*document, UnlockReason::kBroken);
  }
  return {};
}

void Machine::Impl::ForgetOldDeletions() {
  while (!deletions_.empty() && deletions_.begin()->first <= meta_.events_pruned_through) {
    const DocId id = deletions_.begin()->second;
    Delete(Key('d', id).view());
    deleted_.erase(id);
    deletions_.erase(deletions_.begin());
  }
}

DocumentView Machine::Impl::ViewOf(const Document& document) const {
  DocumentView view{.id = document.id,
                    .name = document.record.name,
                    .owner = document.record.owner,
                    .everyone = document.record.everyone,
                    .size_bytes = document.head.size.bytes,
                    .revision = document.head.revision,
                    .author = document.head.author,
                    .created_at_ms = document.record.created_at_ms,
                    .changed_at_ms = document.head.changed_at_ms};
  for (const Grant& grant : document.record.grants) {
    const User* user = UserOf(grant.user);
    if (user == nullptr || user->record.created != grant.user_created) continue;
    view.roles.emplace_back(grant.user, grant.role);
  }
  if (document.lock) view.lock = LockViewOf(document);
  return view;
}

std::optional<DocumentView> Machine::Impl::FindDocument(DocId id) const {
  const auto found = documents_.find(id);
  if (found == documents_.end()) return std::nullopt;
  return ViewOf(found->second);
}

std::optional<DocumentView> Machine::Impl::FindDocumentByName(std::string_view name) const {
  const auto found = documents_by_name_.find(name);
  if (found == documents_by_name_.end()) return std::nullopt;
  return FindDocument(found->second);
}

}  // namespace coterie::state
