// backup take, backup verify: a copy of everything that a cluster holds, in one file.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backup/backup_file.h"
#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/new_file.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kTimeout = absl::Hours(6);

struct Flags {
  std::string file;
};

// Everything, piece by piece; returns how many bytes.
absl::StatusOr<std::uint64_t> Fetch(
    Invocation& cli, const std::function<absl::Status(const std::string& bytes)>& write) {
  ASSIGN_OR_RETURN(client::Client* const client, cli.Connect());
  absl::Status written;
  std::uint64_t size_bytes = 0;
  const absl::Status fetched =
      client->TakeBackup(absl::Now() + kTimeout, [&](const std::string& bytes) {
        written = write(bytes);
        size_bytes += bytes.size();
        return written.ok();
      });
  RETURN_IF_ERROR(written);
  RETURN_IF_ERROR(fetched);
  return size_bytes;
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
  if (is_stdout) {
    return Fetch(cli,
                 [](const std::string& bytes) {
                   return WriteAll(STDOUT_FILENO, bytes, "the backup");
                 })
        .status();
  }
  NewFile file;
  // For nobody else to read: it holds hashes of passwords.
  RETURN_IF_ERROR(file.Open(flags.file, NewFile::Access::kOwnerOnly));
  ASSIGN_OR_RETURN(const std::uint64_t size_bytes,
                   Fetch(cli, [&](const std::string& bytes) { return file.Write(bytes); }));
  RETURN_IF_ERROR(file.Sync());
  ASSIGN_OR_RETURN(const backup::Header header, backup::Verify(file.path()));
  RETURN_IF_ERROR(file.Commit());
  Report(cli, flags, header, size_bytes);
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
