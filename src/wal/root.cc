#include "wal/root.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "runtime/status_macros.h"

namespace coterie::wal {
namespace {

constexpr std::string_view kName = "log.root";
constexpr std::uint64_t kMagic = 0x544f4f522d455443;  // "CTE-ROOT", little-endian.
// Apart, so that no one damaged block of the disk hits both.
constexpr std::uint64_t kSlotBytes = 4096;
constexpr std::size_t kBodyBytes = 14 * 8;
constexpr std::size_t kOldBodyBytes = 13 * 8;  // Without `filled`.

std::string Encode(const Identity& identity, std::uint64_t counter, const Root& root) {
  ByteWriter out;
  out.Fixed64(kMagic);
  out.Fixed64(counter);
  out.Fixed64(identity.cluster_id);
  out.Fixed64(identity.node.value());
  out.Fixed64(identity.incarnation.value());
  out.Fixed64(root.sequence);
  out.Fixed64(root.end);
  out.Fixed64(root.last.term.value());
  out.Fixed64(root.last.index.value());
  out.Fixed64(root.hard_state.term.value());
  out.Fixed64(root.hard_state.vote.value());
  out.Fixed64(root.hard_state.promised.term.value());
  out.Fixed64(root.hard_state.promised.index.value());
  out.Fixed64(root.filled);
  out.Fixed32(ComputeCrc32c(out.view()));
  return out.Take();
}

struct Slot {
  std::uint64_t counter = 0;
  RootFile::Found found;
};

std::optional<Slot> DecodeBody(std::string_view bytes, std::size_t body_bytes) {
  if (bytes.size() < body_bytes + 4) return std::nullopt;
  ByteReader in(bytes.substr(0, body_bytes + 4));
  if (in.Fixed64() != kMagic) return std::nullopt;
  Slot slot{.counter = in.Fixed64()};
  Identity& identity = slot.found.identity;
  identity.cluster_id = in.Fixed64();
  identity.node = NodeId(in.Fixed64());
  identity.incarnation = Incarnation(in.Fixed64());
  Root& root = slot.found.root;
  root.sequence = in.Fixed64();
  root.end = in.Fixed64();
  root.last = {.term = Term(in.Fixed64()), .index = Index(in.Fixed64())};
  root.hard_state.term = Term(in.Fixed64());
  root.hard_state.vote = NodeId(in.Fixed64());
  root.hard_state.promised = {.term = Term(in.Fixed64()), .index = Index(in.Fixed64())};
  if (body_bytes == kBodyBytes) root.filled = in.Fixed64();
  if (in.Fixed32() != ComputeCrc32c(bytes.substr(0, body_bytes))) return std::nullopt;
  return slot;
}

std::optional<Slot> Decode(std::string_view bytes) {
  const std::optional<Slot> slot = DecodeBody(bytes, kBodyBytes);
  return slot ? slot : DecodeBody(bytes, kOldBodyBytes);
}

}  // namespace

absl::StatusOr<std::optional<RootFile::Found>> RootFile::Read(io::Directory& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.List());
  if (std::ranges::count(names, kName) == 0) return std::optional<Found>();
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                   directory.Open(kName, io::OpenMode::kMustExist));
  std::optional<Slot> newest;
  for (const std::uint64_t offset : {std::uint64_t{0}, kSlotBytes}) {
    ASSIGN_OR_RETURN(const std::string bytes, file->Read(offset, kBodyBytes + 4));
    const std::optional<Slot> slot = Decode(bytes);
    if (slot && (!newest || slot->counter > newest->counter)) newest = slot;
  }
  if (!newest) return std::optional<Found>();
  return std::optional(newest->found);
}

absl::Status RootFile::Write(const Root& root) {
  if (!file_) {
    // Goes on from whatever slot is the newest; the name is durable before anything rests on it.
    ASSIGN_OR_RETURN(file_, directory_.Open(kName, io::OpenMode::kCreate));
    RETURN_IF_ERROR(directory_.Sync());
    for (const std::uint64_t offset : {std::uint64_t{0}, kSlotBytes}) {
      ASSIGN_OR_RETURN(const std::string bytes, file_->Read(offset, kBodyBytes + 4));
      if (const std::optional<Slot> slot = Decode(bytes)) {
        counter_ = std::max(counter_, slot->counter);
      }
    }
  }
  ++counter_;
  RETURN_IF_ERROR(
      file_->Write(counter_ % 2 == 0 ? 0 : kSlotBytes, Encode(identity_, counter_, root)));
  RETURN_IF_ERROR(file_->Sync());
  written_ = root;
  return absl::OkStatus();
}

}  // namespace coterie::wal
