// watch, who: what happens, and who is here.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/document_list.h"
#include "cli/event_text.h"
#include "client/error_detail.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

struct Flags {
  std::vector<std::string> documents;
  std::uint64_t since = 0;
  std::uint64_t count = 0;
  bool from_start = false;
  bool without_presence = false;
};

// The names of the documents that exist, so that events about them can be read.
absl::Status LearnNames(Invocation& cli, EventText& text) {
  ASSIGN_OR_RETURN(const v1::ListDocumentsResponse all, ListDocuments(cli, {}));
  for (const v1::Document& document : all.documents()) {
    text.Remember(document.id(), document.name());
  }
  return absl::OkStatus();
}

void PrintBatch(Invocation& cli, EventText& text, const v1::SubscribeResponse& batch) {
  if (cli.is_json()) {
    cli.PrintJson(ToJson(batch));
    return;
  }
  const std::string time = TimeText(batch.time_ms());
  for (const v1::Event& event : batch.events()) {
    const std::string line = text.Line(event);
    cli.PrintLine(absl::StrCat(cli.Paint(absl::StrCat(time, "  ", batch.revision()), Color::kDim),
                               "  ", line));
  }
}

absl::Status Follow(Invocation& cli, const Flags& flags, client::Subscription& subscription) {
  EventText text;
  if (!cli.is_json()) RETURN_IF_ERROR(LearnNames(cli, text));
  std::uint64_t seen = 0;
  int resumptions = 0;
  for (;;) {
    absl::StatusOr<v1::SubscribeResponse> batch = subscription.Next();
    if (batch.ok() && subscription.resumptions() != resumptions) {
      resumptions = subscription.resumptions();
      cli.Say(absl::StrCat("lost a node; went on at ", subscription.node(), " after revision ",
                           subscription.revision()));
    }
    if (absl::IsUnavailable(batch.status()) || absl::IsDeadlineExceeded(batch.status())) {
      cli.Say("no node can be reached; still trying");
      continue;
    }
    RETURN_IF_ERROR(batch.status());
    if (batch->events().empty()) continue;  // A progress mark.
    PrintBatch(cli, text, *batch);
    RETURN_IF_ERROR(cli.OutputError());
    seen += static_cast<std::uint64_t>(batch->events_size());
    if (flags.count != 0 && seen >= flags.count) return absl::OkStatus();
  }
}

absl::Status Watch(Invocation& cli, const Flags& flags) {
  v1::SubscribeRequest request;
  for (const std::string& name : flags.documents) {
    ASSIGN_OR_RETURN(*request.add_documents(), ParseDocument(name));
  }
  request.set_after_revision(flags.since);
  request.set_from_now(flags.since == 0 && !flags.from_start);
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  // The subscription first: who watches sees their own JOIN.
  ASSIGN_OR_RETURN(const auto subscription, client->Subscribe(request));
  std::unique_ptr<client::Attachment> attachment;
  if (!flags.without_presence && !cli.is_shell) {
    client::Attachment::Options options{.activity = v1::ACTIVITY_VIEWING};
    if (!request.documents().empty()) options.document = request.documents(0);
    attachment = client->Attach(std::move(options));
  }
  return Follow(cli, flags, *subscription);
}

absl::Status Who(Invocation& cli, const Flags&) {
  ASSIGN_OR_RETURN(const v1::ListPresentResponse response, cli.Call(v1::ListPresentRequest()));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  if (is_terminal) rows.push_back({"USER", "DOES", "DOCUMENT"});
  for (const v1::Presence& presence : response.present()) {
    std::string activity = ToJson(presence)["activity"].get<std::string>();
    if (activity == "unspecified") activity = "idle";
    rows.push_back({OneLine(presence.user(), 64), activity, OneLine(presence.document_name(), 64)});
  }
  cli.Print(Table(rows));
  if (response.present().empty() && is_terminal) cli.Say("nobody is here");
  return absl::OkStatus();
}

}  // namespace

void AddWatchCommands(CLI::App& app, Invocation& cli) {
  auto watch = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "watch", "Print what happens, as it happens; goes on over failures of nodes",
      "  coterie watch\n  coterie watch notes plans\n"
      "  coterie watch --since 118 --json | jq .events",
      watch, Watch);
  command->add_option("DOCUMENT", watch->documents, "Only what concerns these");
  command->add_option("--since", watch->since, "Begin after this revision, not now");
  command->add_flag("--all", watch->from_start, "Begin with the oldest event that is kept");
  command->add_option("-n,--count", watch->count, "Stop after so many events");
  command->add_flag("--unseen", watch->without_presence, "Do not JOIN: be absent from `who`");

  AddCommand<Flags>(app, cli, "who", "List who is here and what they do", "",
                    std::make_shared<Flags>(), Who);
}

}  // namespace coterie::cli
