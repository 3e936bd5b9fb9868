// drafts, draft show, draft merge, draft drop: what a document did not take while it was locked, or
// after the right to write was lost.

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/explain.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kNameWidth = 32;

enum class As : std::uint8_t { kChanges, kYjs };
const std::map<std::string, As> kForms = {{"changes", As::kChanges}, {"yjs", As::kYjs}};

struct Flags {
  std::string document;
  std::string user;
  As as = As::kChanges;
};

absl::Status List(Invocation& cli, const Flags& flags) {
  v1::ListDraftsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  ASSIGN_OR_RETURN(const v1::ListDraftsResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  if (isatty(STDOUT_FILENO) != 0) rows.push_back({"OF", "SINCE", "SAVED", "BYTES"});
  for (const v1::Draft& draft : response.drafts()) {
    rows.push_back({OneLine(draft.user(), kNameWidth), TimeText(draft.created_at_ms()),
                    TimeText(draft.saved_at_ms()), absl::StrCat(draft.size_bytes())});
  }
  cli.Print(Table(rows));
  return absl::OkStatus();
}

void PrintChanges(Invocation& cli, const v1::GetDraftResponse& response) {
  if (response.changes_left_out()) {
    cli.Say("the document is too large to be compared; --as yjs writes the draft as it is");
  } else if (response.changes().empty()) {
    cli.Say("it changes nothing that can be shown as text");
  }
  for (const v1::TextChange& change : response.changes()) {
    cli.PrintLine(absl::StrCat("at byte ", change.position_bytes(), ":"));
    if (!change.deleted().empty()) {
      cli.PrintLine(cli.Paint("- " + Printable(change.deleted()), Color::kRed));
    }
    if (!change.inserted().empty()) {
      cli.PrintLine(cli.Paint("+ " + Printable(change.inserted()), Color::kGreen));
    }
  }
}

absl::Status Show(Invocation& cli, const Flags& flags) {
  v1::GetDraftRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_user(flags.user);
  ASSIGN_OR_RETURN(v1::GetDraftResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) {
    response.clear_update();  // Bytes are for --as yjs.
    cli.PrintJson(ToJson(response));
  } else if (flags.as == As::kChanges) {
    PrintChanges(cli, response);
  } else if (isatty(STDOUT_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "an update is bytes, not text",
                 "write it to a file: coterie draft show notes --as yjs > draft.yjs");
  } else {
    cli.Print(response.update());
  }
  return absl::OkStatus();
}

// Merges or drops.
template <class Request>
absl::Status Settle(Invocation& cli, const Flags& flags) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_user(flags.user);
  ASSIGN_OR_RETURN(const auto response, cli.Call(std::move(request)));
  cli.Report(response, response.revision());
  return absl::OkStatus();
}

void AddWhose(CLI::App& command, Flags& flags) {
  command.add_option("DOCUMENT", flags.document, "Its name, or id:NUMBER")->required();
  command.add_option("--of", flags.user, "Whose draft; yours, if left out. Owners may name others");
}

}  // namespace

void AddDraftCommands(CLI::App& app, Invocation& cli) {
  auto list = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand<Flags>(app, cli, "drafts", "List what was kept while a document was locked",
                        "  coterie drafts notes\n  coterie draft show notes", list, List);
  command->add_option("DOCUMENT", list->document, "Its name, or id:NUMBER")->required();

  CLI::App* draft = app.add_subcommand("draft", "Show, merge or drop such a draft");
  draft->require_subcommand(1);
  auto shown = std::make_shared<Flags>();
  command = AddCommand<Flags>(
      *draft, cli, "show", "Print what merging the draft would change",
      "  coterie draft show notes\n  coterie draft show notes --of bob --as yjs > bob.yjs", shown,
      Show);
  AddWhose(*command, *shown);
  AddChoice(*command, "--as", shown->as, kForms,
            "changes, or yjs: the draft itself, an update (V1)");

  auto merged = std::make_shared<Flags>();
  command = AddCommand<Flags>(*draft, cli, "merge", "Make the draft part of the document",
                              "  coterie draft merge notes", merged, Settle<v1::MergeDraftRequest>);
  AddWhose(*command, *merged);

  auto dropped = std::make_shared<Flags>();
  command = AddCommand<Flags>(*draft, cli, "drop", "Throw the draft away, for good",
                              "  coterie draft drop notes --of bob", dropped,
                              Settle<v1::DropDraftRequest>);
  AddWhose(*command, *dropped);
}

}  // namespace coterie::cli
