// doc doctor: looks at Yjs updates: of a file, without a cluster, or of a document in one. Only
// ever writes files.

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "cli/commands.h"
#include "cli/credentials_file.h"
#include "cli/explain.h"
#include "cli/new_file.h"
#include "cli/wait_text.h"
#include "crdt/doctor.h"
#include "crdt/merge.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kUpdateBytesMax = 1 << 30;
constexpr std::size_t kRowsMax = 20;
constexpr std::size_t kNameWidth = 40;

struct Flags {
  std::string file;
  std::string other;
  std::string output;
  std::string format = "v1";
  bool does_squash = false;
  bool does_repair = false;
  bool does_salvage = false;
};

// What is no file is the name of a document; a path is never one.
bool IsFile(const std::string& name) {
  return name.find('/') != std::string::npos || access(name.c_str(), F_OK) == 0;
}

// The same error, with what it was about: the name may be a file's with a letter wrong.
absl::Status NeitherFileNorDocument(const std::string& name, const absl::Status& status) {
  absl::Status both(status.code(), absl::StrCat("no such file: ", name,
                                                "; and no document of that name was read: ",
                                                absl::string_view(status.message())));
  status.ForEachPayload(
      [&both](absl::string_view url, const absl::Cord& payload) { both.SetPayload(url, payload); });
  return both;
}

absl::StatusOr<std::string> ReadUpdate(Invocation& cli, const std::string& name) {
  if (name == "-") return cli.StandardInput(kUpdateBytesMax);
  if (IsFile(name)) return ReadFile(name, kUpdateBytesMax);
  v1::GetUpdateRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(name));
  absl::StatusOr<v1::GetUpdateResponse> response = cli.Call(std::move(request));
  if (!response.ok()) return NeitherFileNorDocument(name, response.status());
  return std::move(*response->mutable_update());
}

std::string FindingText(const crdt::Finding& finding) {
  const bool has_client = finding.kind == crdt::Finding::Kind::kTwoGroups ||
                          finding.kind == crdt::Finding::Kind::kSkipFirst;
  std::string text =
      absl::StrCat("at byte ", finding.offset_bytes, ": ", std::string(finding.reason));
  if (has_client) absl::StrAppend(&text, " (client ", finding.client.value(), ")");
  if (finding.updates > 0) absl::StrAppend(&text, " (", finding.updates, ")");
  return text;
}

std::string FixOf(const Flags& flags, const crdt::UpdateReport& report) {
  const std::string doctor = absl::StrCat("coterie doc doctor ", flags.file);
  if (!report.IsBroken()) return absl::StrCat(doctor, " --repair -o MENDED");
  if (report.format == crdt::WireFormat::kV2) {
    return "take an older copy; of a V2 update that is broken nothing can be read";
  }
  const bool has_structs =
      std::any_of(report.clients.begin(), report.clients.end(),
                  [](const crdt::ClientReport& client) { return client.structs > 0; });
  if (!has_structs && report.deleted_ranges == 0) {
    return "take an older copy; nothing of this one can be read";
  }
  return absl::StrCat("take an older copy, or what can be read of this one: ", doctor,
                      " --salvage -o PART");
}

// What is wrong, as an error; with how to mend it.
absl::Status Verdict(const Flags& flags, const crdt::UpdateReport& report) {
  if (!report.refused.empty()) {
    return Error(absl::StatusCode::kDataLoss,
                 absl::StrCat("no document takes ", flags.file, ": ", std::string(report.refused)),
                 "");
  }
  if (report.findings.empty()) return absl::OkStatus();
  const std::size_t more = report.findings.size() - 1;
  return Error(absl::StatusCode::kDataLoss,
               absl::StrCat(flags.file, " is not sound: ", FindingText(report.findings[0]),
                            more > 0 ? absl::StrCat(", and ", more, " more") : ""),
               FixOf(flags, report));
}

nlohmann::json ToJson(const crdt::DeleteSet& deleted) {
  nlohmann::json json = nlohmann::json::array();
  for (const auto& [client, ranges] : deleted.clients()) {
    for (const crdt::ClockRange& range : ranges) {
      json.push_back({{"client", client.value()}, {"begin", range.begin}, {"end", range.end}});
    }
  }
  return json;
}

nlohmann::json ToJson(const crdt::UpdateReport& report) {
  nlohmann::json json = {{"format", report.format == crdt::WireFormat::kV1 ? "v1" : "v2"},
                         {"sound", report.findings.empty()},
                         {"has_gaps", report.has_gaps},
                         {"refused", std::string(report.refused)},
                         {"waits_for", nlohmann::json::array()},
                         {"waiting_deletions", ToJson(report.waiting.deleted)},
                         {"v1_bytes", report.v1_bytes},
                         {"v2_bytes", report.v2_bytes},
                         {"squashed_bytes", report.squashed_bytes},
                         {"deleted",
                          {{"ranges", report.deleted_ranges},
                           {"clocks", report.deleted_clocks},
                           {"bytes", report.deleted_bytes}}},
                         {"findings", nlohmann::json::array()},
                         {"clients", nlohmann::json::array()},
                         {"contents", nlohmann::json::object()},
                         {"roots", report.roots}};
  for (const auto& [client, clock] : report.waiting.structs.clocks()) {
    json["waits_for"].push_back({{"client", client.value()}, {"clock", clock - 1}});
  }
  for (const crdt::Finding& finding : report.findings) {
    json["findings"].push_back({{"offset_bytes", finding.offset_bytes},
                                {"reason", std::string(finding.reason)},
                                {"lost_bytes", finding.lost_bytes},
                                {"repairable", finding.is_repairable()}});
  }
  for (const crdt::ClientReport& client : report.clients) {
    json["clients"].push_back({{"client", client.client.value()},
                               {"begin", client.begin},
                               {"end", client.end},
                               {"structs", client.structs},
                               {"bytes", client.bytes},
                               {"skipped_clocks", client.skipped_clocks},
                               {"deleted_clocks", client.deleted_clocks}});
  }
  for (std::size_t kind = 0; kind < crdt::kContentKinds; ++kind) {
    if (report.kinds[kind].structs == 0) continue;
    json["contents"][std::string(crdt::NameOfContent(kind))] = {
        {"structs", report.kinds[kind].structs}, {"bytes", report.kinds[kind].bytes}};
  }
  return json;
}

std::string ClientTable(const std::vector<crdt::ClientReport>& clients) {
  std::vector<std::vector<std::string>> rows = {
      {"CLIENT", "CLOCKS", "STRUCTS", "SIZE", "DELETED", "MISSING"}};
  for (const crdt::ClientReport& client : clients) {
    if (rows.size() > kRowsMax) {
      rows.push_back({absl::StrCat("and ", clients.size() - kRowsMax, " more")});
      break;
    }
    rows.push_back({absl::StrCat(client.client.value()),
                    absl::StrCat(client.begin, "..", client.end), absl::StrCat(client.structs),
                    SizeText(client.bytes), absl::StrCat(client.deleted_clocks),
                    absl::StrCat(client.begin + client.skipped_clocks)});
  }
  return Table(rows);
}

void Describe(Invocation& cli, const Flags& flags, const crdt::UpdateReport& report) {
  const bool is_sound = report.findings.empty();
  cli.PrintLine(absl::StrCat(Printable(flags.file), ": ",
                             is_sound ? "a sound update, " : "an update with faults, ",
                             report.format == crdt::WireFormat::kV1 ? "V1" : "V2",
                             report.has_gaps ? "; who applies it waits for what is missing" : ""));
  if (!report.waiting.empty()) cli.PrintLine("  waits for " + WaitText(report.waiting));
  for (const crdt::Finding& finding : report.findings) cli.PrintLine("  " + FindingText(finding));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t kind = 0; kind < crdt::kContentKinds; ++kind) {
    if (report.kinds[kind].structs == 0) continue;
    rows.push_back({"  " + std::string(crdt::NameOfContent(kind)),
                    absl::StrCat(report.kinds[kind].structs, " structs"),
                    SizeText(report.kinds[kind].bytes)});
  }
  rows.push_back({"  delete set", absl::StrCat(report.deleted_ranges, " ranges"),
                  SizeText(report.deleted_bytes)});
  if (is_sound) {
    rows.push_back({"  as V1", "", SizeText(report.v1_bytes)});
    rows.push_back({"  squashed", "", SizeText(report.squashed_bytes)});
    rows.push_back({"  as V2", "", SizeText(report.v2_bytes)});
  }
  cli.Print(Table(rows));
  std::size_t roots = 0;
  for (const auto& [name, items] : report.roots) {
    if (roots++ == kRowsMax) break;
    cli.PrintLine(
        absl::StrCat("  root \"", OneLine(name, kNameWidth), "\": ", items, " items name it"));
  }
  if (!report.clients.empty()) cli.Print(ClientTable(report.clients));
}

// Whole, or what was there before stays: it may be what was just read.
absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  struct stat info {};
  const bool is_special = stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  if (is_special) {  // A pipe or a device.
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    const absl::Cleanup close_it = [file] { close(file); };
    return WriteAll(file, bytes, path);
  }
  NewFile file;
  RETURN_IF_ERROR(file.Open(path, NewFile::Access::kUsual));
  RETURN_IF_ERROR(file.Write(bytes));
  RETURN_IF_ERROR(file.Sync());
  return file.Commit();
}

absl::Status WriteOutput(Invocation& cli, const Flags& flags, const std::string& v1) {
  std::string update = v1;
  if (flags.format == "v2") {
    crdt::Transcoded v2 = crdt::TranscodeToV2(v1);
    if (v2.malformed) return absl::InternalError(std::string(v2.malformed.reason));
    update = std::move(v2.update);
  }
  if (flags.output == "-") {
    cli.Print(update);
    return absl::OkStatus();
  }
  const absl::Status written = WriteFile(flags.output, update);
  if (!written.ok()) {
    return Error(written.code(), std::string(written.message()), "look at the folder and the disk");
  }
  cli.Say(absl::StrCat("wrote ", flags.output, ", ", SizeText(update.size())));
  return absl::OkStatus();
}

// The V1 form of a sound update; else what is wrong with it.
absl::StatusOr<std::string> SoundV1(Invocation& cli, const Flags& flags, const std::string& file) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadUpdate(cli, file));
  crdt::Repaired repaired = crdt::Repair(bytes, kUpdateBytesMax);
  Flags named = flags;
  named.file = file;
  RETURN_IF_ERROR(Verdict(named, repaired.report));
  return std::move(repaired.update);
}

absl::Status Compare(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const std::string mine, SoundV1(cli, flags, flags.file));
  ASSIGN_OR_RETURN(const std::string other, SoundV1(cli, flags, flags.other));
  const auto print = [&cli](const std::string& file, const crdt::Difference& difference) {
    cli.PrintLine(absl::StrCat("only in ", Printable(file), ":"));
    std::vector<std::vector<std::string>> rows;
    for (const auto& [client, clocks] : difference.structs) {
      rows.push_back({"  written", absl::StrCat("client ", client.value()),
                      absl::StrCat(clocks.begin, "..", clocks.end)});
    }
    for (const auto& [client, ranges] : difference.deleted.clients()) {
      for (const crdt::ClockRange& range : ranges) {
        rows.push_back({"  deleted", absl::StrCat("client ", client.value()),
                        absl::StrCat(range.begin, "..", range.end)});
      }
    }
    cli.Print(rows.empty() ? "  nothing\n" : Table(rows));
  };
  const crdt::Difference more = crdt::Subtract(mine, other);
  const crdt::Difference less = crdt::Subtract(other, mine);
  if (cli.is_json()) {
    const auto to_json = [](const crdt::Difference& difference) {
      nlohmann::json written = nlohmann::json::array();
      for (const auto& [client, clocks] : difference.structs) {
        written.push_back(
            {{"client", client.value()}, {"begin", clocks.begin}, {"end", clocks.end}});
      }
      return nlohmann::json{{"written", written}, {"deleted", ToJson(difference.deleted)}};
    };
    cli.PrintJson({{"only_in_file", to_json(more)}, {"only_in_other", to_json(less)}});
  } else if (flags.output != "-") {
    print(flags.file, more);
    print(flags.other, less);
  }
  if (flags.output.empty()) return absl::OkStatus();
  // What brings the other one up to this one.
  crdt::UpdateView view;
  crdt::UpdateView other_view;
  const bool is_open =
      !crdt::UpdateView::Open(mine, view) && !crdt::UpdateView::Open(other, other_view);
  if (!is_open) return absl::InternalError("a sound update cannot be read");
  return WriteOutput(cli, flags, view.Diff(other_view.state_vector()));
}

// What was done about a fault, and what it costs.
std::string MendedText(const crdt::Finding& finding) {
  using Kind = crdt::Finding::Kind;
  const std::string lost = absl::StrCat(finding.lost_bytes, " bytes are lost");
  switch (finding.kind) {
    case Kind::kBroken:
      return absl::StrCat("salvaged what is in front of the fault ", FindingText(finding), "; ",
                          lost);
    case Kind::kTrailingBytes:
      return absl::StrCat("cut off ", FindingText(finding), "; ", lost);
    case Kind::kMoreUpdates:
      return absl::StrCat("merged ", FindingText(finding));
    case Kind::kTwoGroups:
    case Kind::kSkipFirst:
    case Kind::kEmptyRange:
      break;
  }
  return absl::StrCat("mended ", FindingText(finding));
}

// Deletions stand behind all structs.
void SayWhatIsMissing(Invocation& cli, const crdt::Repaired& salvaged) {
  cli.Say(absl::StrCat("it has ", salvaged.report.deleted_ranges,
                       " ranges of deletions; what others deleted may be there again"));
  const crdt::Wait wait = crdt::WhatWaits(salvaged.update);
  if (!wait.waiting.empty()) cli.Say("it waits for " + WaitText(wait.waiting));
}

absl::Status Rewrite(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadUpdate(cli, flags.file));
  const crdt::Repaired repaired = flags.does_salvage ? crdt::Salvage(bytes, kUpdateBytesMax)
                                                     : crdt::Repair(bytes, kUpdateBytesMax);
  const bool does_mend = flags.does_repair || flags.does_salvage;
  if (!does_mend || repaired.update.empty()) RETURN_IF_ERROR(Verdict(flags, repaired.report));
  for (const crdt::Finding& finding : repaired.report.findings) cli.Say(MendedText(finding));
  if (repaired.report.IsBroken()) SayWhatIsMissing(cli, repaired);
  if (!flags.does_squash) return WriteOutput(cli, flags, repaired.update);
  return WriteOutput(cli, flags, crdt::SquashUpdate(repaired.update).update);
}

absl::Status Doctor(Invocation& cli, const Flags& flags) {
  const bool does_write =
      flags.does_repair || flags.does_salvage || flags.does_squash || !flags.output.empty();
  if (does_write && flags.output.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "it is not said where to write",
                 "add -o FILE, or -o - for standard output");
  }
  if (!flags.other.empty()) return Compare(cli, flags);
  if (does_write) return Rewrite(cli, flags);
  ASSIGN_OR_RETURN(const std::string bytes, ReadUpdate(cli, flags.file));
  const crdt::UpdateReport report = crdt::Examine(bytes, kUpdateBytesMax);
  if (cli.is_json()) {
    cli.PrintJson(ToJson(report));
  } else {
    Describe(cli, flags, report);
  }
  return Verdict(flags, report);
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Invocation& cli) {
  CLI::App* doc = app.add_subcommand("doc", "Look into Yjs documents");
  doc->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      *doc, cli, "doctor", "Verify, describe, compare, squash and repair a Yjs update",
      "  coterie doc doctor notes             a document of the cluster\n"
      "  coterie doc doctor ./notes.bin       a file\n"
      "  coterie doc doctor notes --diff old.bin\n"
      "  coterie doc doctor notes.bin --repair --squash -o mended.bin\n"
      "  coterie doc doctor broken.bin --salvage -o part.bin\n"
      "  coterie doc doctor notes.bin --format v2 -o notes.v2",
      flags, Doctor);
  command
      ->add_option("DOCUMENT", flags->file,
                   "A file with an update, V1 or V2; - is standard input; or what is no file: a "
                   "document, its name or id:NUMBER")
      ->required();
  command->add_option("--diff", flags->other,
                      "Another one: what each has that the other lacks; -o writes what it lacks");
  command->add_flag("--squash", flags->does_squash, "Write it with fewer structs");
  command->add_flag("--repair", flags->does_repair, "Write it without what can be mended");
  command->add_flag("--salvage", flags->does_salvage,
                    "As --repair, and of what is broken write what can be read");
  command->add_option("-o,--output", flags->output, "Where to; - is standard output");
  command->add_option("--format", flags->format, "Of what is written")
      ->capture_default_str()
      ->check(CLI::IsMember({"v1", "v2"}));
}

}  // namespace coterie::cli
