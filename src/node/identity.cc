#include "node/identity.h"

#include <absl/strings/str_cat.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "runtime/status_macros.h"
#include "wal/root.h"

namespace coterie::node {
namespace {

constexpr const char* kName = "identity";
constexpr const char* kDraftName = "identity.draft";
constexpr std::size_t kFileBytes = 1 + 8 + 8 + 8 + 4;

// version u8 | cluster fixed64 | node fixed64 | incarnation fixed64 | crc32c of these
std::string Encode(const wal::Identity& identity) {
  ByteWriter out;
  out.U8(kRulesVersion);
  out.Fixed64(identity.cluster_id);
  out.Fixed64(identity.node.value());
  out.Fixed64(identity.incarnation.value());
  out.Fixed32(ComputeCrc32c(out.view()));
  return out.Take();
}

absl::StatusOr<wal::Identity> Decode(const std::string& bytes) {
  ByteReader in(bytes);
  const std::uint8_t version = in.U8();
  wal::Identity identity;
  identity.cluster_id = in.Fixed64();
  identity.node = NodeId(in.Fixed64());
  identity.incarnation = Incarnation(in.Fixed64());
  const std::uint32_t crc = in.Fixed32();
  if (!in.AtEnd() || crc != ComputeCrc32c(std::string_view(bytes).substr(0, kFileBytes - 4))) {
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

absl::Status Create(io::Directory& directory, const wal::Identity& identity) {
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                     directory.Open(kDraftName, io::OpenMode::kCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->Write(0, Encode(identity)));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(directory.Rename(kDraftName, kName));
  return directory.Sync();
}

absl::StatusOr<wal::Identity> ReadIdentity(io::Directory& directory) {
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                   directory.Open(kName, io::OpenMode::kMustExist));
  ASSIGN_OR_RETURN(const std::string bytes, file->Read(0, kFileBytes + 1));
  return Decode(bytes);
}

}  // namespace

absl::StatusOr<wal::Identity> EstablishIdentity(io::Directory& directory,
                                                const wal::Identity& wanted) {
  absl::StatusOr<wal::Identity> read = ReadIdentity(directory);
  if (absl::IsNotFound(read.status()) || absl::IsDataLoss(read.status())) {
    // A log beside it knows it too.
    ASSIGN_OR_RETURN(const std::optional<wal::RootFile::Found> root,
                     wal::RootFile::Read(directory));
    if (root) {
      read = root->identity;
    } else if (absl::IsNotFound(read.status())) {
      read = wanted;
    }
    if (read.ok()) RETURN_IF_ERROR(Create(directory, *read));
  }
  ASSIGN_OR_RETURN(const wal::Identity found, std::move(read));
  if (found.node != wanted.node || found.cluster_id != wanted.cluster_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("this data folder belongs to node ", found.node.value(), " of cluster ",
                     found.cluster_id, ", not to node ", wanted.node.value(), " of cluster ",
                     wanted.cluster_id, "; give each node a folder of its own"));
  }
  return found;
}

}  // namespace coterie::node
