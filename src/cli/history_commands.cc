// history, show, restore: earlier versions.

#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/held_lock.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kRestoreLock = absl::Seconds(30);

struct Flags {
  std::string document;
  std::uint64_t version = 0;
  std::uint32_t limit = 20;
  std::uint64_t before = 0;
  std::string wait;
};

// "bob with AI for ann"; of one's own, "ann with AI".
std::string AuthorOf(const v1::Version& version) {
  absl::string_view assistant = version.assistant();
  if (assistant.empty()) return version.author();
  static_cast<void>(absl::ConsumeSuffix(&assistant, absl::StrCat(" for ", version.author())));
  return absl::StrCat(version.author(), " with ", assistant);
}

absl::Status History(Invocation& cli, const Flags& flags) {
  v1::ListVersionsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_limit(flags.limit);
  request.set_before(flags.before);
  ASSIGN_OR_RETURN(const v1::ListVersionsResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  if (isatty(STDOUT_FILENO) != 0) rows.push_back({"VERSION", "WHEN", "WHO", "WHAT", "CHANGE"});
  for (const v1::Version& version : response.versions()) {
    rows.push_back({absl::StrCat(version.revision()), TimeText(version.time_ms()),
                    OneLine(AuthorOf(version), 40), ToJson(version)["kind"].get<std::string>(),
                    absl::StrCat("+", version.inserted_bytes(), " -", version.deleted_bytes())});
  }
  cli.Print(Table(rows));
  return absl::OkStatus();
}

absl::Status Show(Invocation& cli, const Flags& flags) {
  v1::GetDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_version(flags.version);
  const absl::StatusOr<v1::GetDocumentResponse> answer = cli.Call(std::move(request));
  RETURN_IF_ERROR(WithVersionsFix(answer.status(), flags.document));
  const v1::GetDocumentResponse& response = *answer;
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  cli.Print(isatty(STDOUT_FILENO) != 0 ? Printable(response.text()) : response.text());
  return absl::OkStatus();
}

absl::Status Restore(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  ASSIGN_OR_RETURN(const absl::Duration wait, ParseDuration("--wait", flags.wait));
  ASSIGN_OR_RETURN(HeldLock lock, HeldLock::Take(cli, document, kRestoreLock, wait));
  v1::RestoreVersionRequest request;
  *request.mutable_document() = document;
  request.set_lock_token(lock.token());
  request.set_version(flags.version);
  const absl::StatusOr<v1::RestoreVersionResponse> response = cli.Call(std::move(request));
  lock.Release(cli);
  RETURN_IF_ERROR(WithVersionsFix(response.status(), flags.document));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(*response));
    return absl::OkStatus();
  }
  cli.PrintLine(absl::StrCat(response->revision()));
  return absl::OkStatus();
}

}  // namespace

void AddHistoryCommands(CLI::App& app, Invocation& cli) {
  auto history = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(app, cli, "history", "List a document's versions",
                                        "  coterie history notes -n 5", history, History);
  command->add_option("DOCUMENT", history->document, "Its name, or id:NUMBER")->required();
  command->add_option("--before", history->before, "Only versions before this one");
  command->add_option("-n,--limit", history->limit, "How many, newest first")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));

  auto show = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "show", "Print the text of an earlier version",
                              "  coterie show notes 118", show, Show);
  command->add_option("DOCUMENT", show->document, "Its name, or id:NUMBER")->required();
  command->add_option("VERSION", show->version, "From `coterie history`")->required();

  auto restore = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "restore", "Make an earlier version the newest",
                              "  coterie restore notes 118", restore, Restore);
  command->add_option("DOCUMENT", restore->document, "Its name, or id:NUMBER")->required();
  command->add_option("VERSION", restore->version, "From `coterie history`")->required();
  command->add_option("--wait", restore->wait, "How long to wait for somebody's lock: 30s, 5m");
}

}  // namespace coterie::cli
