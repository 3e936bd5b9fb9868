// insert, delete: changing a part of a text without a lock. export, import: a whole content, as a
// Yjs update that loses nothing, or as what can be read.

#include <absl/random/random.h>
#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/content_json.h"
#include "cli/explain.h"
#include "cli/held_lock.h"
#include "cli/wait_text.h"
#include "cli/whole_text.h"
#include "crdt/doctor.h"
#include "crdt/split.h"
#include "crdt/update_v2.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kImportBytesMax = 64 << 20;
constexpr std::size_t kUpdateBytesMax = 1 << 20;  // That a node takes at once.
// Long enough for all parts of an import and a failover, short enough if this process dies.
constexpr absl::Duration kImportLock = absl::Minutes(1);

enum class As : std::uint8_t { kText, kJson, kYjs, kYjsV2 };
const std::map<std::string, As> kForms = {
    {"text", As::kText}, {"json", As::kJson}, {"yjs", As::kYjs}, {"yjs2", As::kYjsV2}};

struct Flags {
  std::string document;
  std::uint64_t position = 0;
  std::uint64_t count = 0;
  std::string text;
  bool is_utf16 = false;
  std::uint64_t base = 0;
  std::uint64_t version = 0;
  As as = As::kYjs;
  bool create = false;
};

absl::Status Edit(Invocation& cli, const Flags& flags) {
  v1::EditDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_base_revision(flags.base);
  request.set_unit(flags.is_utf16 ? v1::POSITION_UNIT_UTF16 : v1::POSITION_UNIT_CODE_POINT);
  v1::Splice& splice = *request.add_splices();
  splice.set_position(flags.position);
  splice.set_deleted(flags.count);
  splice.set_inserted(flags.text);
  ASSIGN_OR_RETURN(const v1::EditDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision());
  return absl::OkStatus();
}

absl::StatusOr<v1::GetUpdateResponse> GetUpdate(Invocation& cli, const Flags& flags) {
  v1::GetUpdateRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  request.set_version(flags.version);
  request.set_format(flags.as == As::kYjsV2 ? v1::UPDATE_FORMAT_V2 : v1::UPDATE_FORMAT_V1);
  return cli.Call(std::move(request));
}

absl::Status Export(Invocation& cli, const Flags& flags) {
  if (flags.as == As::kText) {
    v1::GetDocumentRequest request;
    ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
    request.set_version(flags.version);
    const absl::StatusOr<v1::GetDocumentResponse> response = cli.Call(std::move(request));
    RETURN_IF_ERROR(WithVersionsFix(response.status(), flags.document));
    cli.Print(isatty(STDOUT_FILENO) != 0 ? Printable(response->text()) : response->text());
    return absl::OkStatus();
  }
  const absl::StatusOr<v1::GetUpdateResponse> answer = GetUpdate(cli, flags);
  RETURN_IF_ERROR(WithVersionsFix(answer.status(), flags.document));
  const v1::GetUpdateResponse& response = *answer;
  if (flags.as == As::kJson) {
    ASSIGN_OR_RETURN(const std::string json, ContentAsJson(response.update()));
    cli.PrintLine(EscapeControls(json));
    return absl::OkStatus();
  }
  if (isatty(STDOUT_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "an update is bytes, not text",
                 "write it to a file (coterie export notes > notes.yjs), or use --as json");
  }
  cli.Print(response.update());
  return absl::OkStatus();
}

absl::Status Malformed(const crdt::Malformed& malformed) {
  return Error(absl::StatusCode::kInvalidArgument,
               "this is no update: " + std::string(malformed.reason) + ", at byte " +
                   std::to_string(malformed.offset_bytes),
               "`coterie doc doctor FILE` says what is wrong; V2 needs --as yjs2");
}

absl::StatusOr<std::string> ToV1(std::string update, As as) {
  if (as != As::kYjsV2) return update;
  crdt::Transcoded v1 = crdt::TranscodeToV1(update, kImportBytesMax);
  if (v1.malformed) return Malformed(v1.malformed);
  return std::move(v1.update);
}

// As parts that a node takes.
absl::StatusOr<std::vector<std::string>> PartsOf(const std::string& v1) {
  crdt::SplitResult split = crdt::SplitUpdate(v1, kUpdateBytesMax);
  const std::string_view why = split.refused.reason;
  if (why == crdt::kStructTooLarge || why == crdt::kTooManyClients) {
    return Error(absl::StatusCode::kResourceExhausted,
                 "the update cannot be imported: " + std::string(why),
                 "an update goes in parts of 1 MiB");
  }
  if (split.refused) return Malformed(split.refused);
  return std::move(split.parts);
}

absl::Status MaybeCreate(Invocation& cli, const Flags& flags) {
  if (!flags.create) return absl::OkStatus();
  v1::CreateDocumentRequest create;
  create.set_name(flags.document);
  const absl::Status status = cli.Call(std::move(create)).status();
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status ImportText(Invocation& cli, const Flags& flags, std::string text) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  ASSIGN_OR_RETURN(const v1::WriteDocumentResponse response,
                   ReplaceText(cli, document, std::move(text), absl::ZeroDuration()));
  cli.Report(response, response.revision());
  return absl::OkStatus();
}

// JSON does not tell what was there before, so that merging would double it.
absl::Status RefuseUnlessEmpty(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse now, GetUpdate(cli, flags));
  constexpr std::string_view kNothing("\0\0", 2);
  if (now.update() == kNothing) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               absl::StrCat(flags.document, " is not empty, and JSON cannot be merged"),
               "import it into a new document: coterie import NAME -c --as json < FILE");
}

absl::StatusOr<v1::ApplyUpdateResponse> Apply(Invocation& cli, const Flags& flags,
                                              std::vector<std::string> parts,
                                              std::uint64_t lock_token) {
  // In an order in which a node has what each part refers to; each is one change of the document.
  v1::ApplyUpdateResponse response;
  for (std::string& part : parts) {
    v1::ApplyUpdateRequest request;
    ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
    request.set_lock_token(lock_token);
    request.set_update(std::move(part));
    ASSIGN_OR_RETURN(response, cli.Call(std::move(request)));
  }
  return response;
}

absl::StatusOr<v1::ApplyUpdateResponse> ApplyToEmpty(Invocation& cli, const Flags& flags,
                                                     std::vector<std::string> parts,
                                                     std::uint64_t lock_token) {
  RETURN_IF_ERROR(RefuseUnlessEmpty(cli, flags));
  return Apply(cli, flags, std::move(parts), lock_token);
}

// Once, however many do so at once: nobody else comes between the look and the change.
absl::Status ImportJson(Invocation& cli, const Flags& flags, const std::string& json) {
  absl::BitGen random;
  ASSIGN_OR_RETURN(const ImportedJson content,
                   ContentFromJson(json, absl::Uniform<std::uint32_t>(random)));
  ASSIGN_OR_RETURN(std::vector<std::string> parts, PartsOf(content.update));
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  ASSIGN_OR_RETURN(HeldLock lock,
                   HeldLock::TakeAlone(cli, document, kImportLock, absl::ZeroDuration()));
  const absl::StatusOr<v1::ApplyUpdateResponse> response =
      ApplyToEmpty(cli, flags, std::move(parts), lock.token());
  lock.Release(cli);
  RETURN_IF_ERROR(response.status());
  for (const std::string& root : content.left_out) {
    cli.Say(absl::StrCat("left out \"", root, "\": a document does not keep an empty root"));
  }
  cli.Report(*response, response->revision());
  return absl::OkStatus();
}

// What of the document nobody sees yet, because something is missing that it builds on.
absl::Status SayWhatWaits(Invocation& cli, const Flags& flags) {
  Flags now = flags;
  now.as = As::kYjs;
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse response, GetUpdate(cli, now));
  const crdt::Wait wait = crdt::WhatWaits(response.update());
  if (!wait.waiting.empty()) {
    cli.Say(absl::StrCat(flags.document, " waits for ", WaitText(wait.waiting),
                         "; until that comes, what builds on it is not shown"));
  }
  return absl::OkStatus();
}

absl::Status ImportUpdate(Invocation& cli, const Flags& flags, std::string update) {
  ASSIGN_OR_RETURN(const std::string v1, ToV1(std::move(update), flags.as));
  ASSIGN_OR_RETURN(std::vector<std::string> parts, PartsOf(v1));
  // What builds on nothing that it lacks does not wait in any document.
  const bool may_wait = !crdt::WhatWaits(v1).waiting.empty();
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  ASSIGN_OR_RETURN(const v1::ApplyUpdateResponse response, Apply(cli, flags, std::move(parts), 0));
  cli.Report(response, response.revision());
  // It is imported, whatever the look at it says.
  if (may_wait && !SayWhatWaits(cli, flags).ok()) cli.Say("whether it waits cannot be told now");
  return absl::OkStatus();
}

absl::Status Import(Invocation& cli, const Flags& flags) {
  if (isatty(STDIN_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "there is nothing to import",
                 "pipe it in: coterie import notes < notes.yjs");
  }
  ASSIGN_OR_RETURN(std::string content, cli.StandardInput(kImportBytesMax));
  if (flags.as == As::kText) return ImportText(cli, flags, std::move(content));
  if (flags.as == As::kJson) return ImportJson(cli, flags, content);
  return ImportUpdate(cli, flags, std::move(content));
}

void AddPlace(CLI::App& command, Flags& flags) {
  command.add_option("DOCUMENT", flags.document, "Its name, or id:NUMBER")->required();
  command.add_option("POSITION", flags.position, "How many characters are before it")->required();
  command.add_flag("--utf16", flags.is_utf16, "Count as JavaScript does; else Unicode code points");
  command.add_option("--base", flags.base,
                     "The revision that the position means; later changes are reckoned with");
}

void AddPartCommands(CLI::App& app, Invocation& cli) {
  auto inserted = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "insert", "Put text into a document; needs no lock",
      "  coterie insert notes 0 'Title: '\n  coterie insert notes 12 ' not' --base 118", inserted,
      Edit);
  AddPlace(*command, *inserted);
  command->add_option("TEXT", inserted->text, "What to put there")->required();

  auto deleted = std::make_shared<Flags>();
  command = AddCommand<Flags>(
      app, cli, "delete", "Take characters out of a text; needs no lock",
      "  coterie delete notes 0 6\n  coterie rm notes                whole documents", deleted,
      Edit);
  AddPlace(*command, *deleted);
  command->add_option("COUNT", deleted->count, "How many characters")->required();
}

}  // namespace

void AddContentCommands(CLI::App& app, Invocation& cli) {
  AddPartCommands(app, cli);
  auto exported = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand<Flags>(app, cli, "export", "Write a document's content to standard output",
                        "  coterie export notes > notes.yjs      everything, for any Yjs program\n"
                        "  coterie export notes --as json",
                        exported, Export);
  command->add_option("DOCUMENT", exported->document, "Its name, or id:NUMBER")->required();
  AddChoice(*command, "--as", exported->as, kForms,
            "yjs (an update, format V1), yjs2 (V2), json or text");
  command->add_option("--version", exported->version, "As of this revision");

  auto imported = std::make_shared<Flags>();
  command = AddCommand<Flags>(
      app, cli, "import",
      "Take a content from standard input: a Yjs update is merged, twice is once",
      "  coterie import notes -c < notes.yjs        of any size, from any Yjs program\n"
      "  coterie import notes --as text < notes.txt   changes what differs\n"
      "  coterie import board -c --as json < board.json",
      imported, Import);
  command->add_option("DOCUMENT", imported->document, "Its name, or id:NUMBER")->required();
  AddChoice(*command, "--as", imported->as, kForms,
            "yjs (an update, format V1), yjs2 (V2), text, or json: an object of texts, arrays and "
            "maps, into an empty document; empty ones are left out, and a number that JavaScript "
            "cannot hold is refused");
  command->add_flag("-c,--create", imported->create, "Make the document first if it is not there");
}

}  // namespace coterie::cli
