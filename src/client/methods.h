#pragma once

// Every unary method of coterie.v1, found by its request's type: what Client::Call() needs to know
// to send one. Streams are in subscription.h and attachment.h.

#include <absl/time/time.h>

#include "coterie/v1/assist.pb.h"
#include "coterie/v1/auth.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "coterie/v1/documents.pb.h"
#include "coterie/v1/drafts.pb.h"
#include "coterie/v1/presence.pb.h"

namespace coterie::client {

// How long one attempt may take before another node is asked. Doubled on every retry, because the
// cause may be load, until more than a minority has been late.
inline constexpr absl::Duration kAttempt = absl::Seconds(1);
// Argon2id and a commit; a repeated login makes a second session, which is worth avoiding.
inline constexpr absl::Duration kLoginAttempt = absl::Seconds(3);
// Carries no RequestId and may rightly take long: catching up, two commits of a configuration.
inline constexpr absl::Duration kClusterAttempt = absl::Seconds(20);

template <class Request>
struct Method;

#define COTERIE_METHOD(service, name, attempt)                                     \
  template <>                                                                      \
  struct Method<v1::name##Request> {                                               \
    using Response = v1::name##Response;                                           \
    static constexpr const char* kPath = "/coterie.v1." #service "Service/" #name; \
    static absl::Duration AttemptTimeout() { return attempt; }                     \
  }

COTERIE_METHOD(Auth, Login, kLoginAttempt);
COTERIE_METHOD(Auth, Logout, kAttempt);
COTERIE_METHOD(Auth, WhoAmI, kAttempt);
COTERIE_METHOD(Auth, ListUsers, kAttempt);
COTERIE_METHOD(Auth, CreateUser, kLoginAttempt);
COTERIE_METHOD(Auth, SetPassword, kLoginAttempt);
COTERIE_METHOD(Auth, RemoveUser, kAttempt);

COTERIE_METHOD(Document, CreateDocument, kAttempt);
COTERIE_METHOD(Document, GetDocument, kAttempt);
COTERIE_METHOD(Document, ListDocuments, kAttempt);
COTERIE_METHOD(Document, RenameDocument, kAttempt);
COTERIE_METHOD(Document, DeleteDocument, kAttempt);
COTERIE_METHOD(Document, ShareDocument, kAttempt);
COTERIE_METHOD(Document, WriteDocument, kAttempt);
COTERIE_METHOD(Document, EditDocument, kAttempt);
COTERIE_METHOD(Document, AppendDocument, kAttempt);
COTERIE_METHOD(Document, GetUpdate, kAttempt);
COTERIE_METHOD(Document, ApplyUpdate, kAttempt);
COTERIE_METHOD(Document, LockDocument, kAttempt);
COTERIE_METHOD(Document, UnlockDocument, kAttempt);
COTERIE_METHOD(Document, BreakLock, kAttempt);
COTERIE_METHOD(Document, ListLocks, kAttempt);
COTERIE_METHOD(Document, ListVersions, kAttempt);
COTERIE_METHOD(Document, RestoreVersion, kAttempt);

COTERIE_METHOD(Draft, ListDrafts, kAttempt);
COTERIE_METHOD(Draft, GetDraft, kAttempt);
COTERIE_METHOD(Draft, MergeDraft, kAttempt);
COTERIE_METHOD(Draft, DropDraft, kAttempt);

COTERIE_METHOD(Assist, ListSuggestions, kAttempt);
COTERIE_METHOD(Assist, ResolveSuggestion, kAttempt);

COTERIE_METHOD(Presence, ListPresent, kAttempt);

COTERIE_METHOD(Cluster, GetStatus, kAttempt);
COTERIE_METHOD(Cluster, AddNode, kClusterAttempt);
COTERIE_METHOD(Cluster, PromoteNode, kClusterAttempt);
COTERIE_METHOD(Cluster, RemoveNode, kClusterAttempt);
COTERIE_METHOD(Cluster, TransferLeadership, kClusterAttempt);
COTERIE_METHOD(Cluster, TakeSnapshot, kClusterAttempt);

#undef COTERIE_METHOD

}  // namespace coterie::client
