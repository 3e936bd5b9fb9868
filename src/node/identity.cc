#include "node/identity.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "backup/backup_file.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "runtime/status_macros.h"
#include "wal/root.h"

namespace coterie::node {
namespace {

constexpr const char* kName = "identity";
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kShortFileBytes = 1 + 8 + 8 + 8 + kCrcBytes;
constexpr std::size_t kFileBytes = kShortFileBytes + 4;

// version u8 | cluster fixed64 | node fixed64 | incarnation fixed64 | founding fixed32 | crc32c of
// these. Without the founding if that is not known, as it was before there was one.
std::string Encode(const Identity& identity) {
  ByteWriter out;
  out.U8(kRulesVersion);
  out.Fixed64(identity.log.cluster_id);
  out.Fixed64(identity.log.node.value());
  out.Fixed64(identity.log.incarnation.value());
  if (identity.founding != 0) out.Fixed32(identity.founding);
  out.Fixed32(ComputeCrc32c(out.view()));
  return out.Take();
}

absl::StatusOr<Identity> Decode(const std::string& bytes) {
  ByteReader in(bytes);
  const std::uint8_t version = in.U8();
  Identity identity;
  identity.log.cluster_id = in.Fixed64();
  identity.log.node = NodeId(in.Fixed64());
  identity.log.incarnation = Incarnation(in.Fixed64());
  if (bytes.size() == kFileBytes) identity.founding = in.Fixed32();
  const std::uint32_t crc = in.Fixed32();
  const bool is_whole = in.AtEnd() && crc == ComputeCrc32c(std::string_view(bytes).substr(
                                                 0, bytes.size() - kCrcBytes));
  if (!is_whole) {
    return absl::DataLossError("the file \"identity\" in the data folder is damaged");
  }
  if (version != kRulesVersion) {
    return absl::FailedPreconditionError(
        "the data folder was written by another version of Coterie, with which this one cannot go "
        "on; start that one, `coterie export` every document, and `coterie import` them into a new "
        "cluster");
  }
  return identity;
}

absl::Status Create(io::Directory& directory, const Identity& identity) {
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                     directory.Open(kIdentityDraftName, io::OpenMode::kCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->Write(0, Encode(identity)));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(directory.Rename(kIdentityDraftName, kName));
  return directory.Sync();
}

absl::StatusOr<Identity> ReadIdentity(io::Directory& directory) {
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                   directory.Open(kName, io::OpenMode::kMustExist));
  ASSIGN_OR_RETURN(const std::string bytes, file->Read(0, kFileBytes + 1));
  return Decode(bytes);
}

}  // namespace

absl::StatusOr<std::uint32_t> FoundingOf(const std::vector<raft::Member>& founders,
                                         const std::string& restore_from) {
  if (founders.empty()) return 0;
  std::set<NodeId> ids;
  for (const raft::Member& founder : founders) ids.insert(founder.id);
  ByteWriter out;
  for (const NodeId id : ids) out.Fixed64(id.value());
  if (!restore_from.empty()) {
    ASSIGN_OR_RETURN(const std::unique_ptr<backup::Reader> file,
                     backup::Reader::Open(restore_from));
    const backup::Header& header = file->header();
    for (const std::uint64_t number :
         {header.cluster_id, header.revision, header.taken_at_ms, header.state_bytes}) {
      out.Fixed64(number);
    }
  }
  return std::max<std::uint32_t>(1, ComputeCrc32c(out.view()));
}

absl::StatusOr<Identity> EstablishIdentity(io::Directory& directory, const Identity& wanted) {
  absl::StatusOr<Identity> read = ReadIdentity(directory);
  if (absl::IsNotFound(read.status()) || absl::IsDataLoss(read.status())) {
    // A log beside it knows it too.
    ASSIGN_OR_RETURN(const std::optional<wal::RootFile::Found> root,
                     wal::RootFile::Read(directory));
    if (root) {
      read = Identity{.log = root->identity};
    } else if (absl::IsNotFound(read.status())) {
      read = wanted;
    }
    if (read.ok()) RETURN_IF_ERROR(Create(directory, *read));
  }
  ASSIGN_OR_RETURN(const Identity established, std::move(read));
  const wal::Identity& found = established.log;
  if (found.node != wanted.log.node || found.cluster_id != wanted.log.cluster_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("this data folder belongs to node ", found.node.value(), " of cluster ",
                     found.cluster_id, ", not to node ", wanted.log.node.value(), " of cluster ",
                     wanted.log.cluster_id, "; give each node a folder of its own"));
  }
  return established;
}

}  // namespace coterie::node
