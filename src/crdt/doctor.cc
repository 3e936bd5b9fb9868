#include "crdt/doctor.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/merge.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

using Ranges = std::vector<std::pair<Client, ClockRange>>;

constexpr std::size_t kEmptyUpdateBytes = 2;
// As many as a node looks at when it loads a document (state/content.cc).
constexpr std::uint64_t kScannedItemsMax = std::uint64_t{1} << 23;

// Reads an update of V1 as far as it goes, and those that follow it. Each group becomes an update
// of its own.
class Examination {
 public:
  explicit Examination(std::string_view update) : update_(update), reader_(update) {}
  void Run(UpdateReport& report);
  const std::vector<std::string>& groups() const { return groups_; }
  const Ranges& deleted() const { return deleted_; }

 private:
  void Find(Finding::Kind kind, std::size_t offset, std::string_view reason, Client client = {});
  void ReadUpdate();
  void ReadMoreUpdates();
  void ReadGroup();
  void Keep(Id first, std::uint64_t structs, std::size_t begin);
  void Count(const StructView& view, std::string_view bytes, ClientReport& client);
  void ReadDeleted();
  void ReadRange(Client client);

  std::string_view update_;
  Lib0Reader reader_;
  UpdateReport* report_ = nullptr;
  std::size_t readable_bytes_ = 0;  // What is in front of it is in the groups or the deleted.
  std::set<Client> seen_;           // In the update that is being read.
  std::map<Client, ClientReport> clients_;
  std::vector<std::string> groups_;
  Ranges deleted_;
};

void Examination::Find(Finding::Kind kind, std::size_t offset, std::string_view reason,
                       Client client) {
  report_->findings.push_back(
      {.kind = kind, .offset_bytes = offset, .reason = reason, .client = client});
}

void Examination::Count(const StructView& view, std::string_view bytes, ClientReport& client) {
  UpdateReport::Kinds& kind = report_->kinds[static_cast<std::size_t>(view.content)];
  ++kind.structs;
  kind.bytes += bytes.size();
  ++client.structs;
  client.bytes += bytes.size();
  client.end = std::max(client.end, view.id.clock + view.length);
  if (view.content == ContentKind::kSkip) client.skipped_clocks += view.length;
  if (view.parent == ParentKind::kRoot) ++report_->roots[std::string(view.parent_root)];
}

void Examination::ReadGroup() {
  const std::size_t start = reader_.offset_bytes();
  const std::uint64_t structs =
      reader_.VarUintUpTo(reader_.remaining_bytes(), "a count is larger than what follows");
  const Client id(reader_.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
  const auto clock =
      static_cast<Clock>(reader_.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1"));
  if (!reader_.ok()) return;
  ClientReport& client =
      clients_.try_emplace(id, ClientReport{.client = id, .begin = clock}).first->second;
  client.begin = std::min(client.begin, clock);
  if (!seen_.insert(id).second) {
    Find(Finding::Kind::kTwoGroups, start, "a client has two groups", id);
  }

  const std::size_t begin = reader_.offset_bytes();
  UpdateReader group(
      update_, {.offset_bytes = begin, .id = {.client = id, .clock = clock}, .structs = structs});
  StructView view;
  std::uint64_t read = 0;
  while (group.Next(view)) {
    const bool is_first = view.id.clock == clock;
    if (is_first && view.content == ContentKind::kSkip) {
      Find(Finding::Kind::kSkipFirst, start, "a group begins with a skip", id);
    }
    Count(view, group.bytes(), client);
    ++read;
    readable_bytes_ = static_cast<std::size_t>(group.bytes().end() - update_.begin());
  }
  if (read > 0) Keep({.client = id, .clock = clock}, read, begin);
  if (!group.ok()) return reader_.FailAt(group.malformed().offset_bytes, group.malformed().reason);
  reader_.Advance(group.rest().offset_bytes() - begin);
}

void Examination::Keep(Id first, std::uint64_t structs, std::size_t begin) {
  CHECK(begin < readable_bytes_);
  StructWriter writer;
  writer.WriteRun(first, structs, update_.substr(begin, readable_bytes_ - begin));
  groups_.push_back(writer.Finish(DeleteSet()));
}

void Examination::ReadRange(Client client) {
  const std::size_t start = reader_.offset_bytes();
  const auto begin =
      static_cast<Clock>(reader_.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1"));
  const auto length = static_cast<Clock>(
      reader_.VarUintUpTo(kClockMax - begin, "a length leads past the clock 2^32 - 1"));
  if (!reader_.ok()) return;
  if (length == 0) return Find(Finding::Kind::kEmptyRange, start, "a deleted range is empty");
  ++report_->deleted_ranges;
  readable_bytes_ = reader_.offset_bytes();
  deleted_.push_back({client, {.begin = begin, .end = begin + length}});
}

void Examination::ReadDeleted() {
  const std::size_t start = reader_.offset_bytes();
  const auto count = [this] {
    return reader_.VarUintUpTo(reader_.remaining_bytes() / 2,
                               "a count is larger than what follows");
  };
  const std::uint64_t clients = count();
  for (std::uint64_t i = 0; i < clients && reader_.ok(); ++i) {
    const Client client(reader_.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
    const std::uint64_t ranges = count();
    for (std::uint64_t k = 0; k < ranges && reader_.ok(); ++k) ReadRange(client);
  }
  report_->deleted_bytes += reader_.offset_bytes() - start;
}

void Examination::ReadUpdate() {
  seen_.clear();
  const std::uint64_t groups =
      reader_.VarUintUpTo(update_.size(), "a count is larger than what follows");
  for (std::uint64_t i = 0; i < groups && reader_.ok(); ++i) ReadGroup();
  if (reader_.ok()) ReadDeleted();
  if (reader_.ok()) readable_bytes_ = reader_.offset_bytes();
}

// As a file has them to which somebody appended one after the other. What does not read to its end
// is not told from bytes that are no update.
void Examination::ReadMoreUpdates() {
  const std::size_t start = reader_.offset_bytes();
  std::uint64_t updates = 0;
  while (!reader_.AtEnd()) {
    UpdateReport unused;
    Examination next(update_.substr(reader_.offset_bytes()));
    next.report_ = &unused;
    next.ReadUpdate();
    if (!next.reader_.ok()) break;
    ReadUpdate();
    CHECK(reader_.ok());
    ++updates;
  }
  if (updates == 0) return;
  Find(Finding::Kind::kMoreUpdates, start, "other updates follow");
  report_->findings.back().updates = updates;
}

void Examination::Run(UpdateReport& report) {
  report_ = &report;
  ReadUpdate();
  const bool is_nothing = groups_.empty() && deleted_.empty();
  if (!reader_.ok()) {
    Find(Finding::Kind::kBroken, reader_.malformed().offset_bytes, reader_.malformed().reason);
  } else if (!reader_.AtEnd() && is_nothing) {
    Find(Finding::Kind::kBroken, reader_.offset_bytes(),
         "bytes follow an update of nothing; this is no Yjs update, or not its beginning");
  } else {
    ReadMoreUpdates();
    if (!reader_.AtEnd()) {
      Find(Finding::Kind::kTrailingBytes, reader_.offset_bytes(), kBytesFollow);
    }
  }
  if (readable_bytes_ < update_.size()) {
    report.findings.back().lost_bytes = update_.size() - readable_bytes_;
  }
  const DeleteSet merged = DeleteSet::FromRanges(deleted_);
  for (const auto& [client, ranges] : merged.clients()) {
    std::uint64_t clocks = 0;
    for (const ClockRange& range : ranges) clocks += range.end - range.begin;
    report.deleted_clocks += clocks;
    const auto place = clients_.find(client);
    if (place != clients_.end()) place->second.deleted_clocks = clocks;
  }
  for (const auto& [id, client] : clients_) report.clients.push_back(client);
}

void Measure(std::string_view v1, UpdateReport& report) {
  UpdateView view;
  if (UpdateView::Open(v1, view)) return;
  report.v1_bytes = v1.size();
  const Wait wait = WhatWaits(v1);
  report.waiting = wait.waiting;
  report.refused = wait.refused.reason;
  report.has_gaps = view.has_gaps() || !wait.waiting.empty();
  report.squashed_bytes = SquashUpdate(v1).update.size();
  report.v2_bytes = TranscodeToV2(v1).update.size();
}

// Whether it begins as V2 does: the columns' lengths lead nowhere but into it. As V1 it holds no
// structs.
bool LooksLikeV2(std::string_view update) {
  constexpr int kColumns = 9;
  Lib0Reader reader(update);
  if (reader.U8() != 0) return false;
  for (int i = 0; i < kColumns && reader.ok(); ++i) reader.VarBytes();
  return reader.ok() && !reader.AtEnd();
}

// The V1 form of whatever it is; nothing, and a finding, if it is a V2 that cannot be read.
std::optional<std::string_view> ToV1(std::string_view update, std::size_t size_bytes_max,
                                     std::string& storage, UpdateReport& report) {
  if (!ValidateUpdate(update)) return update;
  Transcoded v1 = TranscodeToV1(update, size_bytes_max);
  const bool is_empty_v1 = update.size() <= kEmptyUpdateBytes;
  if (is_empty_v1 || (v1.malformed && !LooksLikeV2(update))) return update;
  if (v1.malformed) {
    // Deletions in V1 may look like it, too. Those read to an end, or nearly.
    UpdateReport as_v1;
    Examination(update).Run(as_v1);
    if (as_v1.deleted_ranges > 0 && !as_v1.IsBroken()) return update;
    report.format = WireFormat::kV2;
    report.findings.push_back({.kind = Finding::Kind::kBroken,
                               .offset_bytes = v1.malformed.offset_bytes,
                               .reason = v1.malformed.reason,
                               .client = {}});
    return std::nullopt;
  }
  report.format = WireFormat::kV2;
  storage = std::move(v1.update);
  return storage;
}

// What of `whole` is not within `parts`, both ascending and disjoint.
DeleteSet::Ranges Without(const DeleteSet::Ranges& whole, const DeleteSet::Ranges& parts) {
  DeleteSet::Ranges left;
  auto part = parts.begin();
  for (ClockRange range : whole) {
    while (part != parts.end() && part->end <= range.begin) ++part;
    for (auto next = part; next != parts.end() && next->begin < range.end; ++next) {
      if (range.begin < next->begin) left.push_back({.begin = range.begin, .end = next->begin});
      range.begin = std::max(range.begin, next->end);
      if (range.begin >= range.end) break;
    }
    if (range.begin < range.end) left.push_back(range);
  }
  return left;
}

// Which clocks an update brings, as a set.
DeleteSet ClocksOf(std::string_view update) {
  Ranges ranges;
  UpdateReader reader(update);
  StructSpan span;
  while (reader.NextSpan(span)) {
    if (span.content == ContentKind::kSkip) continue;
    ranges.push_back(
        {span.id.client, {.begin = span.id.clock, .end = span.id.clock + span.length}});
  }
  CHECK(reader.ok());
  return DeleteSet::FromRanges(std::move(ranges));
}

DeleteSet DeletedOf(std::string_view update) {
  UpdateView view;
  CHECK(!UpdateView::Open(update, view));
  return view.deleted();
}

Ranges Without(const DeleteSet& whole, const DeleteSet& parts) {
  Ranges left;
  for (const auto& [client, ranges] : whole.clients()) {
    for (const ClockRange& range : Without(ranges, parts.Of(client))) {
      left.push_back({client, range});
    }
  }
  return left;
}

enum class OfBroken : std::uint8_t { kNothing, kWhatCanBeRead };

Repaired Rewritten(std::string_view update, std::size_t size_bytes_max, OfBroken of_broken) {
  Repaired repaired;
  std::string storage;
  const std::optional<std::string_view> v1 = ToV1(update, size_bytes_max, storage, repaired.report);
  if (!v1) return repaired;
  Examination examination(*v1);
  examination.Run(repaired.report);
  if (repaired.report.findings.empty()) {
    repaired.update = *v1;
    return repaired;
  }
  const bool is_nothing = examination.groups().empty() && examination.deleted().empty();
  const bool is_broken = repaired.report.IsBroken();
  if (is_broken && (is_nothing || of_broken == OfBroken::kNothing)) return repaired;
  // Merging drops skips in front, and joins what one client has in several places.
  StructWriter writer;
  std::vector<std::string> parts = examination.groups();
  parts.push_back(writer.Finish(DeleteSet::FromRanges(examination.deleted())));
  const MergeResult merged =
      MergeUpdates(std::vector<std::string_view>(parts.begin(), parts.end()));
  CHECK(!merged.malformed);
  repaired.update = merged.update;
  return repaired;
}

}  // namespace

std::string_view NameOfContent(std::size_t kind) {
  constexpr std::array<std::string_view, kContentKinds> kNames = {
      "gc", "deleted", "json", "binary", "string", "embed", "format", "type", "any", "doc", "skip"};
  CHECK(kind < kNames.size());
  return kNames[kind];
}

bool UpdateReport::IsBroken() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return !finding.is_repairable(); });
}

UpdateReport Examine(std::string_view update, std::size_t size_bytes_max) {
  UpdateReport report;
  std::string storage;
  const std::optional<std::string_view> v1 = ToV1(update, size_bytes_max, storage, report);
  if (!v1) return report;
  Examination(*v1).Run(report);
  if (report.findings.empty()) Measure(*v1, report);
  return report;
}

Repaired Repair(std::string_view update, std::size_t size_bytes_max) {
  return Rewritten(update, size_bytes_max, OfBroken::kNothing);
}

Repaired Salvage(std::string_view update, std::size_t size_bytes_max) {
  return Rewritten(update, size_bytes_max, OfBroken::kWhatCanBeRead);
}

Wait WhatWaits(std::string_view v1) {
  Wait wait;
  Doc doc({.garbage = Garbage::kCollect});
  Outcome unused;
  wait.refused = doc.ApplyWithin(kScannedItemsMax, v1, Watch::kNothing, unused);
  if (wait.refused || !doc.HasPending()) return wait;
  wait.waiting.structs = doc.missing();
  wait.waiting.deleted = DeleteSet::FromRanges(Without(DeletedOf(v1), doc.delete_set()));
  return wait;
}

Difference Subtract(std::string_view mine, std::string_view other) {
  Difference difference;
  for (const auto& [client, range] : Without(ClocksOf(mine), ClocksOf(other))) {
    difference.structs.push_back({.client = client, .clocks = range});
  }
  difference.deleted = DeleteSet::FromRanges(Without(DeletedOf(mine), DeletedOf(other)));
  return difference;
}

}  // namespace coterie::crdt
