// Locks: at most one session holds a document's, at any revision. The fencing token is the revision
// of the grant, so that tokens only ever grow, and every write is checked against the lock in the
// log's order: a holder that was paused while its lock was lost can do no harm.

#include <algorithm>

#include "base/check.h"
#include "state/machine_impl.h"

namespace coterie::state {

LockView Machine::Impl::LockViewOf(const Document& document) const {
  CHECK(document.lock.has_value());
  const LockRecord& lock = *document.lock;
  return {.doc = document.id,
          .document_name = document.record.name,
          .session = lock.session,
          .holder = lock.holder,
          .token = lock.token,
          .renewed = lock.renewed,
          .ttl_ms = lock.ttl_ms,
          .expires_at_ms = lock.expires_at_ms};
}

Outcome Machine::Impl::RefuseForHolder(const Document& document, Code code) const {
  Outcome outcome = Refusal(code, "The document is locked by " + document.lock->holder +
                                      "; wait for the unlock, or ask the holder or an owner.");
  outcome.lock = LockViewOf(document);
  return outcome;
}

Outcome Machine::Impl::RefuseStaleToken(const Document& document) const {
  Outcome outcome = Refusal(Code::kStaleToken,
                            "The lock with this token was lost meanwhile; read the document "
                            "again and lock it again.");
  if (document.lock) outcome.lock = LockViewOf(document);
  return outcome;
}

// Of a change that needs the lock.
std::optional<Outcome> Machine::Impl::RefuseWrite(const Document& document,
                                                  FencingToken token) const {
  const bool is_holder = document.lock && document.lock->session == entry_.session;
  if (token.IsNone()) {
    if (document.lock && !is_holder) return RefuseForHolder(document, Code::kLocked);
    return Refusal(Code::kLockRequired,
                   is_holder ? "This needs the token of the lock that you hold; send it along."
                             : "This needs the document's lock; lock it first.");
  }
  if (!document.lock || document.lock->token != token) return RefuseStaleToken(document);
  if (!is_holder) return RefuseForHolder(document, Code::kLocked);
  return RefuseUnstorable(document);
}

// Of a change that needs no lock, and respects one.
std::optional<Outcome> Machine::Impl::RefuseEdit(const Document& document,
                                                 FencingToken token) const {
  if (!token.IsNone() && (!document.lock || document.lock->token != token)) {
    return RefuseStaleToken(document);
  }
  if (document.lock && document.lock->session != entry_.session) {
    return RefuseForHolder(document, Code::kLocked);
  }
  return RefuseUnstorable(document);
}

Outcome Machine::Impl::Apply(const Lock& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kEditor);
  if (document == nullptr) return refusal;
  const bool is_renewal = document->lock && document->lock->session == entry_.session;
  if (document->lock && !is_renewal) return RefuseForHolder(*document, Code::kLocked);
  Session& session = sessions_.find(entry_.session)->second;
  if (command.ttl_ms == 0 && session.record.attached.IsNone()) {
    return Refusal(Code::kInvalidArgument,
                   "A lock without a time to live lasts as long as the session is attached, and "
                   "this one is not; attach first, or give a time to live.");
  }
  if (!is_renewal && session.locks.size() >= kLocksPerSessionMax) {
    return Refusal(Code::kExhausted,
                   "This session holds 1000 locks (kLocksPerSessionMax); unlock some first.");
  }
  const FencingToken token =
      is_renewal ? document->lock->token : FencingToken(entry_.revision.value());
  document->lock = {.session = entry_.session,
                    .holder = entry_.user,
                    .token = token,
                    .renewed = entry_.revision,
                    .ttl_ms = command.ttl_ms,
                    .expires_at_ms = command.ttl_ms == 0 ? 0 : meta_.time_ms + command.ttl_ms};
  session.locks.insert(document->id);
  locked_.insert(document->id);
  Put(Key('l', document->id).view(), codec::EncodeRecord(*document->lock));
  Emit(DocumentLocked{.lock = LockViewOf(*document), .renewed = is_renewal});
  return {.token = token, .lock = LockViewOf(*document)};
}

Outcome Machine::Impl::Apply(const Unlock& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kViewer);
  if (document == nullptr) return refusal;
  const bool is_holder = document->lock && document->lock->session == entry_.session;
  if (!command.token.IsNone() && (!document->lock || document->lock->token != command.token)) {
    return RefuseStaleToken(*document);
  }
  if (document->lock && !is_holder) return RefuseForHolder(*document, Code::kLocked);
  if (!is_holder) {
    return Refusal(Code::kLockRequired, "The document is not locked; there is nothing to unlock.");
  }
  ReleaseLock(*document, UnlockReason::kReleased);
  return {};
}

Outcome Machine::Impl::Apply(const BreakLock& command) {
  auto [document, refusal] = Require(command.doc, DocumentRole::kOwner);
  if (document == nullptr) return refusal;
  if (document->lock) ReleaseLock(*document, UnlockReason::kBroken);
  return {};
}

Outcome Machine::Impl::Apply(const ExpireLock& command) {
  const auto found = documents_.find(command.doc);
  if (found == documents_.end() || !found->second.lock) return {};
  const LockRecord& lock = *found->second.lock;
  if (lock.token != command.token || lock.renewed != command.renewed) return {};
  ReleaseLock(found->second, UnlockReason::kExpired);
  return {};
}

void Machine::Impl::ReleaseLock(Document& document, UnlockReason reason) {
  CHECK(document.lock.has_value());
  const LockRecord lock = *std::move(document.lock);
  document.lock.reset();
  sessions_.find(lock.session)->second.locks.erase(document.id);
  locked_.erase(document.id);
  Delete(Key('l', document.id).view());
  Emit(DocumentUnlocked{
      .doc = document.id, .token = lock.token, .holder = lock.holder, .reason = reason});
}

void Machine::Impl::ReleaseLocksOf(Session& session, HeldBy which) {
  const std::set<DocId> held = session.locks;
  for (const DocId id : held) {
    Document& document = documents_.find(id)->second;
    if (which == HeldBy::kLease && document.lock->ttl_ms != 0) continue;
    ReleaseLock(document, UnlockReason::kHolderLeft);
  }
}

std::vector<LockView> Machine::Impl::Locks() const {
  std::vector<LockView> views;
  views.reserve(locked_.size());
  for (const DocId id : locked_) views.push_back(LockViewOf(documents_.at(id)));
  std::sort(views.begin(), views.end(),
            [](const LockView& a, const LockView& b) { return a.document_name < b.document_name; });
  return views;
}

}  // namespace coterie::state
