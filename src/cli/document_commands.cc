// docs, new, cat, write, append, rm, rename, share: documents and their texts.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/content_json.h"
#include "cli/document_list.h"
#include "cli/explain.h"
#include "cli/held_lock.h"
#include "cli/whole_text.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

// The lock that one write takes: long enough for a failover, short enough if this process dies.

struct Flags {
  std::string document;
  std::vector<std::string> words;
  std::string user;
  std::string to;
  std::string wait;
  std::string root;
  std::uint64_t version = 0;
  std::string text;
  std::uint64_t limit = 0;
  bool is_stale = false;
  bool is_recent = false;
  bool create = false;
  bool names_only = false;
  bool yes = false;
};

// The words joined, or standard input for "-" or, where `or_stdin`, for none.
enum class Absent { kEmpty, kStandardInput };
absl::StatusOr<std::string> GetText(Invocation& cli, const std::vector<std::string>& words,
                                    Absent absent) {
  const bool is_dash = words.size() == 1 && words[0] == "-";
  if (!is_dash && (!words.empty() || absent == Absent::kEmpty)) return absl::StrJoin(words, " ");
  if (!is_dash && isatty(STDIN_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "there is no text to write",
                 "say it after the name, pipe it in, or use `coterie edit`");
  }
  return cli.StandardInput(kTextBytesMax);
}

void SayThatThereAreNone(Invocation& cli, const Flags& flags) {
  cli.Say(flags.text.empty()
              ? "no documents yet; make one: coterie new NAME"
              : absl::StrCat("no document that you may see has \"", flags.text, "\" in its name"));
}

absl::Status Docs(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(
      const v1::ListDocumentsResponse all,
      ListDocuments(
          cli, {.consistency = flags.is_stale ? v1::CONSISTENCY_STALE : v1::CONSISTENCY_UNSPECIFIED,
                .order = flags.is_recent ? v1::DOCUMENT_ORDER_CHANGED : v1::DOCUMENT_ORDER_NAME,
                .name_contains = flags.text,
                .limit = flags.limit}));
  if (cli.is_json()) {
    nlohmann::json json = {{"documents", nlohmann::json::array()}, {"revision", all.revision()}};
    for (const v1::Document& document : all.documents())
      json["documents"].push_back(ToJson(document));
    cli.PrintJson(std::move(json));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  if (is_terminal && !flags.names_only) {
    rows.push_back({"ID", "NAME", "SIZE", "ROLE", "BY", "CHANGED", "LOCKED BY"});
  }
  for (const v1::Document& document : all.documents()) {
    const std::string name = Printable(document.name());
    if (flags.names_only) {
      rows.push_back({name});
      continue;
    }
    const nlohmann::json role = ToJson(document)["role"];
    rows.push_back({absl::StrCat(document.id()), name, SizeText(document.size_bytes()),
                    role.get<std::string>(), OneLine(document.author(), 32),
                    TimeText(document.changed_at_ms()), OneLine(document.lock().holder(), 32)});
  }
  cli.Print(Table(rows));
  if (all.documents().empty() && is_terminal) SayThatThereAreNone(cli, flags);
  return absl::OkStatus();
}

absl::Status New(Invocation& cli, const Flags& flags) {
  v1::CreateDocumentRequest request;
  request.set_name(flags.document);
  ASSIGN_OR_RETURN(*request.mutable_text(), GetText(cli, flags.words, Absent::kEmpty));
  ASSIGN_OR_RETURN(const v1::CreateDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.document_id(), absl::StrCat("created ", flags.document));
  return absl::OkStatus();
}

// kNotFound unless the document has the root: one that is not there reads as one that is empty.
absl::Status FindRoot(Invocation& cli, const Flags& flags) {
  v1::GetUpdateRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_version(flags.version);
  if (flags.is_stale) request.set_consistency(v1::CONSISTENCY_STALE);
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse response, cli.Call(std::move(request)));
  ASSIGN_OR_RETURN(const std::vector<std::string> roots, RootsOf(response.update()));
  if (std::find(roots.begin(), roots.end(), flags.root) != roots.end()) return absl::OkStatus();
  return Error(absl::StatusCode::kNotFound,
               absl::StrCat(flags.document, " has no root \"", flags.root, "\""),
               roots.empty() ? "" : absl::StrCat("it has: ", absl::StrJoin(roots, ", ")));
}

absl::Status Cat(Invocation& cli, const Flags& flags) {
  v1::GetDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_version(flags.version);
  request.set_root(flags.root);
  if (flags.is_stale) request.set_consistency(v1::CONSISTENCY_STALE);
  const absl::StatusOr<v1::GetDocumentResponse> answer = cli.Call(std::move(request));
  RETURN_IF_ERROR(WithVersionsFix(answer.status(), flags.document));
  const v1::GetDocumentResponse& response = *answer;
  if (!flags.root.empty() && response.text().empty()) RETURN_IF_ERROR(FindRoot(cli, flags));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  cli.Print(is_terminal ? Printable(response.text()) : response.text());
  const bool needs_newline = !response.text().empty() && response.text().back() != '\n';
  if (is_terminal && needs_newline) cli.Print("\n");
  return absl::OkStatus();
}

// Makes the document if that is wanted and it is not there.
absl::Status MaybeCreate(Invocation& cli, const Flags& flags) {
  if (!flags.create) return absl::OkStatus();
  v1::CreateDocumentRequest request;
  request.set_name(flags.document);
  const absl::Status status = cli.Call(std::move(request)).status();
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status Write(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  ASSIGN_OR_RETURN(const absl::Duration wait, ParseDuration("--wait", flags.wait));
  ASSIGN_OR_RETURN(std::string text, GetText(cli, flags.words, Absent::kStandardInput));
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  const std::string size = SizeText(text.size());
  ASSIGN_OR_RETURN(const v1::WriteDocumentResponse response,
                   ReplaceText(cli, document, std::move(text), wait));
  cli.Report(response, response.revision(), absl::StrCat("saved ", size));
  return absl::OkStatus();
}

absl::Status Append(Invocation& cli, const Flags& flags) {
  v1::AppendDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  ASSIGN_OR_RETURN(std::string text, GetText(cli, flags.words, Absent::kStandardInput));
  const bool is_from_words = !flags.words.empty() && flags.words[0] != "-";
  request.set_text(is_from_words ? text + "\n" : std::move(text));
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  ASSIGN_OR_RETURN(const v1::AppendDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision(), "saved");
  return absl::OkStatus();
}

absl::Status Remove(Invocation& cli, const Flags& flags) {
  v1::DeleteDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  RETURN_IF_ERROR(
      cli.Confirm(absl::StrCat("Delete ", flags.document, " and its history?"), flags.yes));
  ASSIGN_OR_RETURN(const v1::DeleteDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision(), absl::StrCat("deleted ", flags.document));
  return absl::OkStatus();
}

absl::Status Rename(Invocation& cli, const Flags& flags) {
  v1::RenameDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_new_name(flags.to);
  ASSIGN_OR_RETURN(const v1::RenameDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision(), absl::StrCat("is now ", flags.to));
  return absl::OkStatus();
}

absl::Status Share(Invocation& cli, const Flags& flags) {
  const std::map<std::string, v1::Role> roles = {{"none", v1::ROLE_NONE},
                                                 {"viewer", v1::ROLE_VIEWER},
                                                 {"editor", v1::ROLE_EDITOR},
                                                 {"owner", v1::ROLE_OWNER}};
  v1::ShareDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.mutable_grant()->set_user(flags.user == "everyone" ? "" : flags.user);
  request.mutable_grant()->set_role(roles.at(flags.to));
  ASSIGN_OR_RETURN(const v1::ShareDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision(), absl::StrCat(flags.user, " is ", flags.to));
  return absl::OkStatus();
}

CLI::App* Add(CLI::App& app, Invocation& cli, const std::string& name,
              const std::string& description, const std::string& examples,
              const std::shared_ptr<Flags>& flags, absl::Status (*run)(Invocation&, const Flags&)) {
  return AddCommand<Flags>(app, cli, name, description, examples, flags, run);
}

void AddReadingCommands(CLI::App& app, Invocation& cli) {
  auto docs = std::make_shared<Flags>();
  CLI::App* command =
      Add(app, cli, "docs", "List the documents that you may see",
          "  coterie docs\n"
          "  coterie docs plan               those with \"plan\" in their names, in either case\n"
          "  coterie docs --recent -n 10     what was changed last\n"
          "  coterie docs --json | jq -r '.documents[].name'",
          docs, Docs);
  command->add_option("TEXT", docs->text, "Only those with this in their names");
  command->add_flag("--recent", docs->is_recent, "The newest change first; else by name");
  command->add_option("-n,--limit", docs->limit, "So many at most; else all")
      ->check(CLI::PositiveNumber);
  command->add_flag("-1,--names", docs->names_only, "Only the names, one a line");
  command->add_flag("--stale", docs->is_stale, "Accept what one node knows, however old");

  auto cat = std::make_shared<Flags>();
  command = Add(app, cli, "cat", "Print a document's text; what a rich editor wrote as Markdown",
                "  coterie cat notes > notes.txt\n  coterie cat notes --version 118", cat, Cat);
  command->add_option("DOCUMENT", cat->document, "Its name, or id:NUMBER")->required();
  command->add_option("--version", cat->version, "As of this revision; see `coterie history`");
  command->add_option("--root", cat->root, "Another root of the Yjs document than the main one");
  command->add_flag("--stale", cat->is_stale, "Accept what one node knows, however old");
}

void AddWritingCommands(CLI::App& app, Invocation& cli) {
  auto made = std::make_shared<Flags>();
  CLI::App* command = Add(app, cli, "new", "Make a document; prints its id",
                          "  coterie new notes\n  coterie new notes 'first line'\n"
                          "  coterie new notes - < notes.txt",
                          made, New);
  command->add_option("NAME", made->document, "The new document's name")->required();
  command->add_option("TEXT", made->words, "Its first text; - reads standard input");

  auto write = std::make_shared<Flags>();
  command = Add(app, cli, "write", "Replace a document's text; prints the revision",
                "  coterie write notes 'all is well'\n  date | coterie write notes\n"
                "  coterie write notes --wait 30s < notes.txt",
                write, Write);
  command->add_option("DOCUMENT", write->document, "Its name, or id:NUMBER")->required();
  command->add_option("TEXT", write->words, "The new text; left out or -: standard input");
  command->add_flag("-c,--create", write->create, "Make it first if it is not there");
  command->add_option("--wait", write->wait, "How long to wait for somebody's lock: 30s, 5m");

  auto append = std::make_shared<Flags>();
  command =
      Add(app, cli, "append", "Add to the end of a text; needs no lock",
          "  coterie append log 'one more line'\n  uptime | coterie append log", append, Append);
  command->add_option("DOCUMENT", append->document, "Its name, or id:NUMBER")->required();
  command->add_option("TEXT", append->words, "A line to add; left out or -: standard input");
  command->add_flag("-c,--create", append->create, "Make it first if it is not there");
}

void AddNamingCommands(CLI::App& app, Invocation& cli) {
  auto removed = std::make_shared<Flags>();
  CLI::App* command = Add(app, cli, "rm", "Delete a document and its history",
                          "  coterie rm notes --yes", removed, Remove);
  command->add_option("DOCUMENT", removed->document, "Its name, or id:NUMBER")->required();
  command->add_flag("-y,--yes", removed->yes, "Do not ask");

  auto renamed = std::make_shared<Flags>();
  command = Add(app, cli, "rename", "Give a document another name",
                "  coterie rename notes old-notes", renamed, Rename);
  command->add_option("DOCUMENT", renamed->document, "Its name, or id:NUMBER")->required();
  command->add_option("NAME", renamed->to, "The new name")->required();

  auto share = std::make_shared<Flags>();
  command =
      Add(app, cli, "share", "Say what somebody may do with a document",
          "  coterie share notes ben editor\n  coterie share notes everyone none", share, Share);
  command->add_option("DOCUMENT", share->document, "Its name, or id:NUMBER")->required();
  command->add_option("USER", share->user, "Who; or everyone")->required();
  command->add_option("ROLE", share->to, "none, viewer, editor or owner")
      ->required()
      ->check(CLI::IsMember({"none", "viewer", "editor", "owner"}));
}

}  // namespace

void AddDocumentCommands(CLI::App& app, Invocation& cli) {
  AddReadingCommands(app, cli);
  AddWritingCommands(app, cli);
  AddNamingCommands(app, cli);
}

}  // namespace coterie::cli
