// backup take, backup verify: a copy of everything that a cluster holds, in one file.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "backup/backup_file.h"
#include "cli/commands.h"
#include "cli/explain.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kTimeout = absl::Hours(6);

struct Flags {
  std::string file;
};

// Bytes on their way into a file that is not yet what it is to be.
class Output {
 public:
  ~Output() {
    if (file_ >= 0 && file_ != STDOUT_FILENO) close(file_);
  }
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // "-" = standard output. For nobody else to read: it holds hashes of passwords.
  absl::Status Open(const std::string& path) {
    file_ = path == "-" ? STDOUT_FILENO : open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    return file_ >= 0 ? absl::OkStatus() : Failed(path);
  }
  absl::Status Write(std::string_view bytes) {
    bytes_ += bytes.size();
    while (!bytes.empty()) {
      const ssize_t written = write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) return Failed("the backup");
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }
  absl::Status Sync() { return fsync(file_) == 0 ? absl::OkStatus() : Failed("the backup"); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static absl::Status Failed(const std::string& what) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", what));
  }
  int file_ = -1;
  std::uint64_t bytes_ = 0;
};

absl::Status Fetch(Invocation& cli, Output& output) {
  ASSIGN_OR_RETURN(client::Client* const client, cli.Connect());
  absl::Status written;
  const absl::Status fetched =
      client->TakeBackup(absl::Now() + kTimeout, [&](const std::string& bytes) {
        written = output.Write(bytes);
        return written.ok();
      });
  return written.ok() ? fetched : written;
}

void Report(Invocation& cli, const Flags& flags, const backup::Header& header,
            std::uint64_t bytes) {
  if (cli.is_json()) {
    cli.PrintJson({{"file", flags.file},
                   {"cluster_id", header.cluster_id},
                   {"revision", header.revision},
                   {"taken_at_ms", header.taken_at_ms},
                   {"bytes", bytes}});
    return;
  }
  cli.Say(absl::StrFormat(
      "%s: whole; cluster %d as of revision %d, %s", flags.file, header.cluster_id, header.revision,
      absl::FormatTime("%Y-%m-%d %H:%M:%S",
                       absl::FromUnixMillis(static_cast<std::int64_t>(header.taken_at_ms)),
                       absl::LocalTimeZone())));
}

absl::Status Take(Invocation& cli, const Flags& flags) {
  const bool is_stdout = flags.file == "-";
  if (is_stdout && isatty(STDOUT_FILENO) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, "a backup is bytes, not text",
                 "name a file, or pipe it: coterie backup take - | zstd > coterie.backup.zst");
  }
  const std::string path = is_stdout ? flags.file : flags.file + ".part";
  Output output;
  RETURN_IF_ERROR(output.Open(path));
  absl::Status status = Fetch(cli, output);
  if (is_stdout) return status;
  if (status.ok()) status = output.Sync();
  absl::StatusOr<backup::Header> header = absl::UnknownError("");
  if (status.ok()) {
    header = backup::Verify(path);
    status = header.status();
  }
  if (status.ok() && std::rename(path.c_str(), flags.file.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", flags.file));
  }
  if (!status.ok()) {
    static_cast<void>(unlink(path.c_str()));
    return status;
  }
  Report(cli, flags, *header, output.bytes());
  return absl::OkStatus();
}

absl::Status Verify(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const backup::Header header, backup::Verify(flags.file));
  Report(cli, flags, header, header.state_bytes);
  return absl::OkStatus();
}

}  // namespace

void AddBackupCommands(CLI::App& app, Invocation& cli) {
  CLI::App* backup = app.add_subcommand("backup", "Copy everything into one file, and look at one");
  backup->require_subcommand(1);
  auto taken = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      *backup, cli, "take", "Write all documents, histories and users into a file",
      "  coterie backup take coterie.backup\n"
      "  coterie backup take - | zstd > coterie.backup.zst\n"
      "  coterie up --restore coterie.backup          a new cluster that begins with it\n"
      "Of an administrator. The cluster goes on meanwhile.",
      taken, Take);
  command->add_option("FILE", taken->file, "Where to; - = standard output")->required();

  auto verified = std::make_shared<Flags>();
  command = AddCommand<Flags>(*backup, cli, "verify", "Say whether a file is whole, and of what",
                              "  coterie backup verify coterie.backup", verified, Verify);
  command->add_option("FILE", verified->file, "The file")->required();
}

}  // namespace coterie::cli
