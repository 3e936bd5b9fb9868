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
#include "cli/whole_text.h"
#include "crdt/split.h"
#include "crdt/update_v2.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kImportBytesMax = 64 << 20;
constexpr std::size_t kUpdateBytesMax = 1 << 20;  // That a node takes at once.

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
    ASSIGN_OR_RETURN(const v1::GetDocumentResponse response, cli.Call(std::move(request)));
    cli.Print(isatty(STDOUT_FILENO) != 0 ? Printable(response.text()) : response.text());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse response, GetUpdate(cli, flags));
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

// As parts that a node takes, format V1.
absl::StatusOr<std::vector<std::string>> PartsOf(std::string update, As as) {
  if (as == As::kYjsV2) {
    crdt::Transcoded v1 = crdt::TranscodeToV1(update, kImportBytesMax);
    if (v1.malformed) return Malformed(v1.malformed);
    update = std::move(v1.update);
  }
  crdt::SplitResult split = crdt::SplitUpdate(update, kUpdateBytesMax);
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

absl::Status Import(Invocation& cli, const Flags& flags) {
  if (isatty(STDIN_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "there is nothing to import",
                 "pipe it in: coterie import notes < notes.yjs");
  }
  ASSIGN_OR_RETURN(std::string update, cli.StandardInput(kImportBytesMax));
  if (flags.as == As::kText) return ImportText(cli, flags, std::move(update));
  if (flags.as == As::kJson) {
    absl::BitGen random;
    ASSIGN_OR_RETURN(update, ContentFromJson(update, absl::Uniform<std::uint32_t>(random)));
  }
  ASSIGN_OR_RETURN(std::vector<std::string> parts, PartsOf(std::move(update), flags.as));
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  if (flags.as == As::kJson) RETURN_IF_ERROR(RefuseUnlessEmpty(cli, flags));
  // In an order in which a node has what each part refers to; each is one change of the document.
  v1::ApplyUpdateResponse response;
  for (std::string& part : parts) {
    v1::ApplyUpdateRequest request;
    ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
    request.set_update(std::move(part));
    ASSIGN_OR_RETURN(response, cli.Call(std::move(request)));
  }
  cli.Report(response, response.revision());
  return absl::OkStatus();
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
  command->add_option("--as", exported->as, "yjs (an update, format V1), yjs2 (V2), json or text")
      ->transform(CLI::CheckedTransformer(kForms));
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
  command
      ->add_option("--as", imported->as,
                   "yjs (an update, format V1), yjs2 (V2), text, or json: an object of texts, "
                   "arrays and maps, into an empty document")
      ->transform(CLI::CheckedTransformer(kForms));
  command->add_flag("-c,--create", imported->create, "Make the document first if it is not there");
}

}  // namespace coterie::cli
