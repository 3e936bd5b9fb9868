#include "rpc/policy.h"

#include <algorithm>

#include "state/command.h"

namespace coterie::rpc {
namespace {

// Names, ids and numbers alone.
constexpr std::size_t kSmall = 16 << 10;
// A text as large as one command, and the fields around it.
constexpr std::size_t kText = state::kCommandBytesMax + (16 << 10);
constexpr std::uint32_t kUsual = 60;
// Membership changes wait for a node to catch up.
constexpr std::uint32_t kLong = 300;
constexpr std::uint32_t kModel = 1'800;
constexpr std::uint32_t kEndless = 0;

using enum Access;

constexpr Policy kPolicies[] = {
    {"coterie.v1.AuthService.Login", kAnyone, kUsual, kSmall},
    {"coterie.v1.AuthService.Logout", kSession, kUsual, kSmall},
    {"coterie.v1.AuthService.WhoAmI", kSession, kUsual, kSmall},
    {"coterie.v1.AuthService.ListUsers", kSession, kUsual, kSmall},
    {"coterie.v1.AuthService.CreateUser", kAdmin, kUsual, kSmall},
    {"coterie.v1.AuthService.SetPassword", kSession, kUsual, kSmall},
    {"coterie.v1.AuthService.RemoveUser", kAdmin, kUsual, kSmall},

    {"coterie.v1.DocumentService.CreateDocument", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.GetDocument", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.ListDocuments", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.RenameDocument", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.DeleteDocument", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.ShareDocument", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.WriteDocument", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.EditDocument", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.AppendDocument", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.GetUpdate", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.ApplyUpdate", kSession, kUsual, kText},
    {"coterie.v1.DocumentService.LockDocument", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.UnlockDocument", kSession, kUsual, kSmall},
    // The document's owner may, too: the machine decides.
    {"coterie.v1.DocumentService.BreakLock", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.ListLocks", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.ListVersions", kSession, kUsual, kSmall},
    {"coterie.v1.DocumentService.RestoreVersion", kSession, kUsual, kSmall},

    {"coterie.v1.DraftService.ListDrafts", kSession, kUsual, kSmall},
    {"coterie.v1.DraftService.GetDraft", kSession, kUsual, kSmall},
    {"coterie.v1.DraftService.MergeDraft", kSession, kUsual, kSmall},
    {"coterie.v1.DraftService.DropDraft", kSession, kUsual, kSmall},

    // A long text takes a small model on a small machine its time.
    {"coterie.v1.AssistService.Ask", kSession, kModel, 64 << 10},
    {"coterie.v1.AssistService.Summarize", kSession, kModel, kSmall},
    {"coterie.v1.AssistService.Grammar", kSession, kModel, kSmall},
    {"coterie.v1.AssistService.Enhance", kSession, kModel, kSmall},
    {"coterie.v1.AssistService.Continue", kSession, kModel, kSmall},
    {"coterie.v1.AssistService.ListSuggestions", kSession, kUsual, kSmall},
    {"coterie.v1.AssistService.ResolveSuggestion", kSession, kUsual, kSmall},

    {"coterie.v1.EventService.Subscribe", kSession, kEndless, 64 << 10},

    {"coterie.v1.BackupService.TakeBackup", kAdmin, kEndless, kSmall},

    {"coterie.v1.PresenceService.Attach", kSession, kEndless, kSmall},
    {"coterie.v1.PresenceService.ListPresent", kSession, kUsual, kSmall},

    {"coterie.v1.ClusterService.GetStatus", kSession, kUsual, kSmall},
    {"coterie.v1.ClusterService.WatchCluster", kSession, kEndless, kSmall},
    {"coterie.v1.ClusterService.GetDurability", kSession, kUsual, kSmall},
    {"coterie.v1.ClusterService.AddNode", kAdmin, kLong, kSmall},
    {"coterie.v1.ClusterService.PromoteNode", kAdmin, kLong, kSmall},
    {"coterie.v1.ClusterService.RemoveNode", kAdmin, kLong, kSmall},
    {"coterie.v1.ClusterService.TransferLeadership", kAdmin, kLong, kSmall},
    {"coterie.v1.ClusterService.TakeSnapshot", kAdmin, kLong, kSmall},
};

}  // namespace

absl::Span<const Policy> Policies() { return kPolicies; }

const Policy* FindPolicy(std::string_view method) {
  const auto* found = std::find_if(std::begin(kPolicies), std::end(kPolicies),
                                   [&](const Policy& policy) { return policy.method == method; });
  return found == std::end(kPolicies) ? nullptr : found;
}

}  // namespace coterie::rpc
