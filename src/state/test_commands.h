#pragma once

// Commands at random for the machine's tests: mostly sensible ones in the light of a machine's
// state (its sessions, documents, locks), some nonsense, some retries. For tests only.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "state/command.h"
#include "state/machine.h"
#include "state/test_editors.h"

namespace coterie::state {

class RandomCommands {
 public:
  RandomCommands(const Machine& machine, std::uint64_t seed)
      : machine_(machine), prng_(seed), editors_(machine, seed) {}

  // The payload of the next log entry.
  std::string NextPayload() {
    time_ms_ += prng_.Below(20);
    sessions_ = machine_.Sessions();
    documents_ = machine_.Documents();
    holder_ = {};
    Command command{.session = AnySession(), .request = AnyRequest(), .body = AnyBody()};
    if (!holder_.IsNone() && prng_.Chance(2, 3)) command.session = holder_;
    const bool is_by_cluster = std::holds_alternative<Login>(command.body) ||
                               std::holds_alternative<ApplyUpdates>(command.body) ||
                               std::holds_alternative<ExpireSession>(command.body) ||
                               std::holds_alternative<ExpireLock>(command.body);
    if (is_by_cluster) command.session = {};
    std::string encoded = EncodeCommand(command);
    if (!previous_.empty() && prng_.Chance(1, 12))
      encoded = previous_[prng_.Below(previous_.size())];
    if (previous_.size() < 200) previous_.push_back(encoded);
    previous_[prng_.Below(previous_.size())] = encoded;
    return StampCommand({.time_ms = time_ms_}, encoded);
  }

 private:
  static std::string UserName(std::uint64_t number) { return "user" + std::to_string(number); }

  SessionId AnySession() {
    if (sessions_.empty() || prng_.Chance(1, 30)) return SessionId(prng_.Below(40));
    return sessions_[prng_.Below(sessions_.size())].id;
  }
  RequestId AnyRequest() {
    if (prng_.Chance(1, 3)) return {};
    ++sequence_;
    const std::uint64_t sequence = sequence_ - prng_.Below(std::min<std::uint64_t>(sequence_, 9));
    return {.client = ClientId(prng_.Between(1, prng_.Chance(1, 5) ? 90 : 3)),
            .sequence = sequence,
            .acked_below = sequence - std::min<std::uint64_t>(sequence, 20)};
  }
  const DocumentView& AnyDocument() {
    if (documents_.empty() || prng_.Chance(1, 30)) return nowhere_;
    const DocumentView& document = documents_[prng_.Below(documents_.size())];
    if (document.lock) holder_ = document.lock->session;
    return document;
  }
  std::string AnyText() {
    const std::uint64_t size = prng_.Chance(1, 30) ? prng_.Below(9'000) : prng_.Below(12);
    std::string text;
    while (text.size() < size)
      text += prng_.Chance(1, 3) ? "€" : prng_.Chance(1, 3) ? "\U0001F600" : "a";
    return text;
  }
  FencingToken TokenOf(const DocumentView& document) {
    if (!document.lock || prng_.Chance(1, 6)) return FencingToken(prng_.Below(30));
    return document.lock->token;
  }
  Edit AnyEdit(const DocumentView& document) {
    Edit edit{.doc = document.id, .unit = PositionUnit::kCodePoint};
    if (document.lock && prng_.Chance(1, 2)) edit.token = document.lock->token;
    if (prng_.Chance(1, 2))
      edit.base = document.revision -
                  prng_.Below(std::min<std::uint64_t>(document.revision.value() + 1, 60));
    std::uint64_t at = 0;
    for (std::uint64_t splices = prng_.Below(4); splices > 0; --splices) {
      at += prng_.Below(1 + document.size_bytes / 8);
      edit.splices.push_back({.position = at, .deleted = prng_.Below(5), .inserted = AnyText()});
      at += edit.splices.back().deleted;
    }
    return edit;
  }
  ApplyUpdate AnyUpdate(const DocumentView& document) {
    ApplyUpdate apply{.doc = document.id, .update = editors_.NextUpdate(document.id)};
    if (document.lock && prng_.Chance(1, 2)) apply.token = document.lock->token;
    return apply;
  }
  // Of several sessions, some of which are over, and now and then of one client twice.
  CommandBody AnyUpdates(const DocumentView& document) {
    ApplyUpdates apply{.doc = document.id};
    for (std::uint64_t parts = prng_.Between(1, 5); parts > 0; --parts) {
      UpdatePart part{.session = AnySession(),
                      .request = AnyRequest(),
                      .update = editors_.NextUpdate(document.id)};
      if (part.request.sequence == 0) {
        part.request = {.client = ClientId(prng_.Between(1, 9)), .sequence = ++sequence_};
      }
      apply.parts.push_back(std::move(part));
    }
    return apply;
  }
  // Mostly of what is there.
  CommandBody AnySuggestions(const DocumentView& document) {
    const std::string text = machine_.TextAt(document.id, Revision()).value_or("");
    AddSuggestions add{.doc = document.id, .author = "AI", .model = "m"};
    if (prng_.Chance(1, 3)) add.base = document.revision;
    std::uint64_t at = 0;  // In bytes.
    for (std::uint64_t changes = prng_.Between(1, 4); changes > 0; --changes) {
      at = std::min<std::uint64_t>(text.size(), at + prng_.Below(9));
      while (at < text.size() && IsContinuationByte(text[at])) ++at;
      std::uint64_t end = std::min<std::uint64_t>(text.size(), at + prng_.Below(12));
      while (end < text.size() && IsContinuationByte(text[end])) ++end;
      const std::uint64_t stray = prng_.Chance(1, 9) ? 1 : 0;
      add.changes.push_back({.position = Utf16Length(text.substr(0, at)) + stray,
                             .before = text.substr(at, end - at),
                             .after = text.substr(at, (end - at) / 2) + AnyText()});
      SuggestedChange& change = add.changes.back();
      if (!IsValidUtf8(change.after) || change.after == change.before) change.after = "€b";
      at = end;
    }
    return add;
  }
  CommandBody AnyResolution(const DocumentView& document) {
    const std::vector<SuggestionView> open = machine_.Suggestions(document.id);
    ResolveSuggestions resolve{.doc = document.id, .batch = Revision(prng_.Below(9))};
    if (document.lock && prng_.Chance(1, 2)) resolve.token = document.lock->token;
    if (open.empty()) return resolve;
    const SuggestionView& one = open[prng_.Below(open.size())];
    resolve.batch = one.batch;
    if (prng_.Chance(1, 2)) resolve.ordinal = one.ordinal;
    if (prng_.Chance(1, 4)) resolve.resolution = Resolution::kRejected;
    return resolve;
  }
  CommandBody AnyDraft(const DocumentView& document) {
    const std::vector<DraftView> drafts = machine_.Drafts(document.id);
    if (drafts.empty() || prng_.Chance(1, 2)) {
      return SaveDraft{.doc = document.id, .update = editors_.NextUpdate(document.id)};
    }
    const std::string& user = drafts[prng_.Below(drafts.size())].user;
    if (prng_.Chance(1, 4)) return DropDraft{.doc = document.id, .user = user};
    MergeDraft merge{.doc = document.id, .user = user};
    if (document.lock && prng_.Chance(1, 2)) merge.token = document.lock->token;
    return merge;
  }
  // Of users, sessions and presence.
  CommandBody AnyOfAccounts() {
    const std::string name = UserName(prng_.Below(6));
    switch (prng_.Below(10)) {
      case 0:
        return CreateUser{.name = name, .password_hash = "h", .is_admin = prng_.Chance(1, 3)};
      case 1:
        return SetPassword{.name = name, .password_hash = "h"};
      case 2:
        return prng_.Chance(1, 3) ? CommandBody(RemoveUser{.name = name}) : Logout{};
      case 3:
        return ExpireSession{.session = AnySession()};
      case 4:
      case 5:
        return Attach{.lease_ms = prng_.Between(1, 3) * 1'000};
      case 6: {
        if (sessions_.empty()) return Logout{};
        const SessionView& session = sessions_[prng_.Below(sessions_.size())];
        return Leave{.session = session.id, .attached = session.attached};
      }
      default:
        return Login{.user = name,
                     .verified_hash = "h",
                     .create_user = true,
                     .create_as_admin = true,
                     .token_hash = std::string(32, 't'),
                     .lifetime_ms = prng_.Between(1'000, 40'000)};
    }
  }
  CommandBody AnyOfLocks(const DocumentView& document) {
    switch (prng_.Below(6)) {
      case 0:
        return Unlock{.doc = document.id, .token = TokenOf(document)};
      case 1:
        return BreakLock{.doc = document.id};
      case 2:
        if (!document.lock) return Unlock{.doc = document.id};
        return ExpireLock{.doc = document.id,
                          .token = document.lock->token,
                          .renewed = document.lock->renewed - prng_.Below(2)};
      default:
        return Lock{.doc = document.id, .ttl_ms = prng_.Below(2) * 5'000};
    }
  }
  CommandBody AnyBody() {
    if (sessions_.size() < 3 || prng_.Chance(1, 8)) return AnyOfAccounts();
    const DocumentView& document = AnyDocument();
    const std::string name = "doc" + std::to_string(prng_.Below(12));
    switch (prng_.Below(30)) {
      case 0:
      case 1:
        return CreateDocument{
            .name = name,
            .text = AnyText(),
            .everyone = prng_.Chance(1, 4) ? DocumentRole::kViewer : DocumentRole::kEditor};
      case 2:
        return RenameDocument{.doc = document.id, .name = name};
      case 3:
        return DeleteDocument{.doc = document.id};
      case 4:
        return ShareDocument{.doc = document.id,
                             .user = UserName(prng_.Below(7)),
                             .role = static_cast<DocumentRole>(prng_.Below(4))};
      case 5:
      case 6:
        return Append{.doc = document.id, .text = AnyText()};
      case 7:
      case 8:
        return Write{.doc = document.id, .token = TokenOf(document), .text = AnyText()};
      case 9: {
        const std::vector<VersionView> versions = machine_.Versions(document.id);
        const Revision version =
            versions.empty() ? Revision(3) : versions[prng_.Below(versions.size())].revision;
        return Restore{.doc = document.id, .token = TokenOf(document), .version = version};
      }
      case 10:
      case 11:
      case 12:
        return AnyOfLocks(document);
      case 13:
      case 14:
      case 15:
        return AnyUpdate(document);
      case 16:
      case 17:
        return AnySuggestions(document);
      case 18:
        return AnyResolution(document);
      case 19:
      case 20:
      case 21:
        return AnyDraft(document);
      case 22:
      case 23:
      case 24:
        return AnyUpdates(document);
      default:
        return AnyEdit(document);
    }
  }

  const Machine& machine_;
  Prng prng_;
  RandomEditors editors_;
  std::uint64_t time_ms_ = 1'000'000;
  std::uint64_t sequence_ = 0;
  std::vector<SessionView> sessions_;
  std::vector<DocumentView> documents_;
  SessionId holder_;  // Of the lock of the document in question.
  const DocumentView nowhere_{.id = DocId(7), .revision = Revision(9)};
  std::vector<std::string> previous_;
};

}  // namespace coterie::state
