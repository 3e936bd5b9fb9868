// lock, unlock, locks: who may write.

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/held_lock.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

struct Flags {
  std::string document;
  std::string length = "10m";
  std::string wait;
  bool breaks = false;
};

absl::Status Lock(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  ASSIGN_OR_RETURN(const absl::Duration ttl, ParseDuration("--for", flags.length));
  ASSIGN_OR_RETURN(const absl::Duration wait, ParseDuration("--wait", flags.wait));
  ASSIGN_OR_RETURN(const v1::LockDocumentResponse taken, TakeLock(cli, document, ttl, wait));
  const v1::Lock& lock = taken.lock();
  if (cli.is_json()) {
    cli.PrintJson({{"lock", ToJson(lock)}});
    return absl::OkStatus();
  }
  cli.PrintLine(absl::StrCat(lock.token()));
  const std::string end = lock.expires_at_ms() == 0
                              ? std::string("as long as your session is here")
                              : absl::StrCat("until ", TimeText(lock.expires_at_ms()));
  if (isatty(STDERR_FILENO) != 0) cli.Say(absl::StrCat("locked ", flags.document, " ", end));
  return absl::OkStatus();
}

absl::Status Unlock(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  nlohmann::json json;
  if (flags.breaks) {
    v1::BreakLockRequest request;
    *request.mutable_document() = document;
    ASSIGN_OR_RETURN(const v1::BreakLockResponse response, cli.Call(std::move(request)));
    json = ToJson(response);
  } else {
    v1::UnlockDocumentRequest request;
    *request.mutable_document() = document;
    ASSIGN_OR_RETURN(const v1::UnlockDocumentResponse response, cli.Call(std::move(request)));
    json = ToJson(response);
  }
  if (cli.is_json()) cli.PrintJson(std::move(json));
  if (isatty(STDERR_FILENO) != 0) cli.Say(absl::StrCat("unlocked ", flags.document));
  return absl::OkStatus();
}

absl::Status ListLocks(Invocation& cli, const Flags&) {
  ASSIGN_OR_RETURN(const v1::ListLocksResponse response, cli.Call(v1::ListLocksRequest()));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  if (is_terminal) rows.push_back({"DOCUMENT", "HOLDER", "UNTIL"});
  for (const v1::Lock& lock : response.locks()) {
    const bool is_bound = lock.expires_at_ms() == 0;
    rows.push_back({Printable(lock.document_name()), OneLine(lock.holder(), 64),
                    is_bound ? std::string("the holder leaves") : TimeText(lock.expires_at_ms())});
  }
  cli.Print(Table(rows));
  if (response.locks().empty() && is_terminal) cli.Say("nothing is locked");
  return absl::OkStatus();
}

}  // namespace

void AddLockCommands(CLI::App& app, Invocation& cli) {
  auto lock = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "lock", "Keep others from changing a document; prints the fencing token",
      "  coterie lock notes\n  coterie lock notes --for 1h --wait 30s", lock, Lock);
  command->add_option("DOCUMENT", lock->document, "Its name, or id:NUMBER")->required();
  command
      ->add_option("--for", lock->length,
                   "How long at most; 0 = while your session is attached (shell, watch)")
      ->capture_default_str();
  command->add_option("--wait", lock->wait, "How long to wait for somebody's lock: 30s, 5m");

  auto unlock = std::make_shared<Flags>();
  command =
      AddCommand<Flags>(app, cli, "unlock", "Give a document's lock back",
                        "  coterie unlock notes\n  coterie unlock notes --break", unlock, Unlock);
  command->add_option("DOCUMENT", unlock->document, "Its name, or id:NUMBER")->required();
  command->add_flag("--break", unlock->breaks, "Take it away from its holder (owner, admins)");

  AddCommand<Flags>(app, cli, "locks", "List who has locked what", "", std::make_shared<Flags>(),
                    ListLocks);
}

}  // namespace coterie::cli
