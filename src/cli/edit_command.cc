// edit: lock, open an editor, write back, unlock. With --delta: one edit with formatting, without a
// lock.

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/check.h"
#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/held_lock.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kAttachTimeout = absl::Seconds(10);

struct Flags {
  std::string document;
  std::string wait;
  std::string editor;
  bool create = false;
  std::string delta;  // A file; "-" = standard input; "" = an editor is opened.
  std::string unit = "utf16";
  std::uint64_t base = 0;
};

std::string EditorOf(const Flags& flags) {
  if (!flags.editor.empty()) return flags.editor;
  if (std::string editor = Environment("VISUAL"); !editor.empty()) return editor;
  if (std::string editor = Environment("EDITOR"); !editor.empty()) return editor;
  return "vi";
}

// A new private folder with the text in a file of the document's name, for the editor to show.
absl::StatusOr<std::string> MakeDraft(const std::string& document, const std::string& text) {
  std::string folder = Environment("XDG_RUNTIME_DIR");
  if (folder.empty()) folder = Environment("TMPDIR");
  if (folder.empty()) folder = "/tmp";
  folder += "/coterie-edit.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return Error(absl::StatusCode::kInternal, "no folder for the draft could be made in " + folder,
                 "set TMPDIR to a folder that you can write to");
  }
  std::string name;
  for (const char c : document.substr(0, 100)) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    name += is_plain ? c : '_';
  }
  if (name.front() == '.' || name.front() == '-') name.insert(0, "_");
  const std::string path = folder + "/" + name;
  RETURN_IF_ERROR(WritePrivateFile(path, text));
  return path;
}

void RemoveDraft(const std::string& path) {
  unlink(path.c_str());
  rmdir(path.substr(0, path.rfind('/')).c_str());
}

// Keys such as Ctrl-C are the editor's while it runs, as with system(3).
class Deaf {
 public:
  Deaf() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    CHECK(sigaction(SIGINT, &ignore, &interrupt_) == 0);
    CHECK(sigaction(SIGQUIT, &ignore, &quit_) == 0);
  }
  ~Deaf() { Restore(); }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  // Also for the child.
  void Restore() const {
    CHECK(sigaction(SIGINT, &interrupt_, nullptr) == 0);
    CHECK(sigaction(SIGQUIT, &quit_, nullptr) == 0);
  }

 private:
  struct sigaction interrupt_ {};
  struct sigaction quit_ {};
};

// The editor may be a command line ("code --wait"), hence the shell; the path is its argument and
// never part of the command.
absl::Status RunEditor(const std::string& editor, const std::string& path) {
  // A trap, so that the shell outlives the keys; unlike what is ignored, no child inherits it.
  const std::string script = "trap : INT QUIT; " + editor + " \"$1\"";
  const Deaf deaf;
  const pid_t child = fork();
  if (child < 0) return absl::InternalError("no process for the editor could be started");
  if (child == 0) {
    deaf.Restore();
    execl("/bin/sh", "sh", "-c", script.c_str(), "sh", path.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kCancelled, absl::StrCat("the editor (", editor, ") failed"),
               "nothing was written; set EDITOR to the one that you like");
}

template <class Removal>
void Keep(Invocation& cli, const std::string& path, Removal removal) {
  std::move(removal).Cancel();
  cli.Say(absl::StrCat("your text is kept in ", path));
}

// Locked, attached, with the text in a file: the part between the two.
absl::Status EditLocked(Invocation& cli, const Flags& flags, const v1::DocumentRef& document,
                        std::uint64_t lock_token) {
  v1::GetDocumentRequest get;
  *get.mutable_document() = document;
  ASSIGN_OR_RETURN(const v1::GetDocumentResponse before, cli.Call(std::move(get)));
  if (before.is_projection()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "the document was written by a rich editor; its text here is but a reading",
                 "change it there, or with coterie import");
  }
  ASSIGN_OR_RETURN(const std::string path, MakeDraft(before.document().name(), before.text()));
  absl::Cleanup remove = [&path] { RemoveDraft(path); };
  const absl::Status edited = RunEditor(EditorOf(flags), path);
  const absl::StatusOr<std::string> text = ReadFile(path, kTextBytesMax);
  const bool is_changed = text.ok() ? *text != before.text() : !absl::IsNotFound(text.status());
  if (!edited.ok() || !text.ok()) {
    if (is_changed) Keep(cli, path, std::move(remove));
    return edited.ok() ? text.status() : edited;
  }
  if (!is_changed) {
    cli.Say("nothing was changed");
    return absl::OkStatus();
  }
  v1::WriteDocumentRequest request;
  *request.mutable_document() = document;
  request.set_lock_token(lock_token);
  request.set_text(*text);
  const absl::StatusOr<v1::WriteDocumentResponse> written = cli.Call(std::move(request));
  if (!written.ok()) {
    Keep(cli, path, std::move(remove));
    return written.status();
  }
  if (cli.is_json()) {
    cli.PrintJson(ToJson(*written));
  } else {
    cli.PrintLine(absl::StrCat(written->revision()));
  }
  return absl::OkStatus();
}

absl::Status MaybeCreate(Invocation& cli, const Flags& flags) {
  if (!flags.create) return absl::OkStatus();
  v1::CreateDocumentRequest request;
  request.set_name(flags.document);
  const absl::Status made = cli.Call(std::move(request)).status();
  return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
}

absl::Status ApplyDelta(Invocation& cli, const Flags& flags) {
  v1::EditDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  ASSIGN_OR_RETURN(*request.mutable_delta(), flags.delta == "-"
                                                 ? cli.StandardInput(kTextBytesMax)
                                                 : ReadFile(flags.delta, kTextBytesMax));
  if (request.delta().empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "the delta is empty",
                 "write it as JSON: [{\"retain\":5},{\"insert\":\"text\"}]");
  }
  request.set_base_revision(flags.base);
  request.set_unit(flags.unit == "utf16" ? v1::POSITION_UNIT_UTF16 : v1::POSITION_UNIT_CODE_POINT);
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  ASSIGN_OR_RETURN(const v1::EditDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision());
  return absl::OkStatus();
}

absl::Status Edit(Invocation& cli, const Flags& flags) {
  if (!flags.delta.empty()) return ApplyDelta(cli, flags);
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  ASSIGN_OR_RETURN(const absl::Duration wait, ParseDuration("--wait", flags.wait));
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  RETURN_IF_ERROR(MaybeCreate(cli, flags));
  // The lock lasts as long as we are here, however long that is: if this process dies it ends.
  const auto attachment = client->Attach({.activity = v1::ACTIVITY_EDITING, .document = document});
  RETURN_IF_ERROR(attachment->WaitUntilAttached(absl::Now() + kAttachTimeout));
  ASSIGN_OR_RETURN(HeldLock lock, HeldLock::Take(cli, document, absl::ZeroDuration(), wait));
  const absl::Status status = EditLocked(cli, flags, document, lock.token());
  lock.Release(cli);
  return status;
}

}  // namespace

void AddEditCommand(CLI::App& app, Invocation& cli) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "edit", "Edit a document in your editor, locked meanwhile; or by a delta, without",
      "  coterie edit notes\n  EDITOR='code --wait' coterie edit notes -c\n"
      "  echo '[{\"retain\":5,\"attributes\":{\"bold\":true}}]' | coterie edit notes --delta -",
      flags, Edit);
  command->add_option("DOCUMENT", flags->document, "Its name, or id:NUMBER")->required();
  command->add_option("--editor", flags->editor, "Instead of $VISUAL, $EDITOR or vi");
  command->add_flag("-c,--create", flags->create, "Make it first if it is not there");
  command->add_option("--wait", flags->wait, "How long to wait for somebody's lock: 30s, 5m");
  CLI::Option* delta = command->add_option(
      "--delta", flags->delta, "Apply this file, a delta as Quill's, as JSON; - is standard input");
  command->add_option("--unit", flags->unit, "What the delta counts: utf16 (as Quill), code-points")
      ->capture_default_str()
      ->check(CLI::IsMember({"utf16", "code-points"}))
      ->needs(delta);
  command->add_option("--base", flags->base, "The revision that the delta means; 0 is now")
      ->needs(delta);
}

}  // namespace coterie::cli
