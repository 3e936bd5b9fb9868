#include "io/faulty_file.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"

namespace coterie::io {
namespace {

constexpr std::size_t kSectorBytes = 512;

absl::Status Crashed() { return absl::UnavailableError("the machine has stopped"); }

void WriteAt(std::string& bytes, std::uint64_t offset, std::string_view piece) {
  if (bytes.size() < offset + piece.size()) bytes.resize(offset + piece.size(), '\0');
  bytes.replace(offset, piece.size(), piece);
}

}  // namespace

struct FaultyDirectory::Inode {
  struct Unsynced {
    std::uint64_t offset = 0;
    std::string bytes;
    std::optional<std::uint64_t> truncated_to;
  };
  std::string bytes;
  std::string durable;
  std::vector<Unsynced> unsynced;

  void Sync() {
    durable = bytes;
    unsynced.clear();
  }
  // Any subset of the sectors that were not synced has reached the disk.
  void Crash(Prng& prng) {
    std::string left = durable;
    for (const Unsynced& write : unsynced) {
      if (write.truncated_to) {
        if (prng.Chance(1, 2)) left.resize(*write.truncated_to, '\0');
        continue;
      }
      for (std::size_t at = 0; at < write.bytes.size();) {
        const std::uint64_t position = write.offset + at;
        const std::size_t size =
            std::min<std::size_t>(write.bytes.size() - at, kSectorBytes - position % kSectorBytes);
        if (prng.Chance(1, 2)) {
          WriteAt(left, position, std::string_view(write.bytes).substr(at, size));
        }
        at += size;
      }
    }
    bytes = std::move(left);
    Sync();
  }
};

class FaultyDirectory::OpenFile final : public File {
 public:
  OpenFile(FaultyDirectory& directory, std::shared_ptr<Inode> inode)
      : directory_(directory), inode_(std::move(inode)), life_(directory.life_) {}

  absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) override {
    if (!IsAlive()) return Crashed();
    if (offset >= inode_->bytes.size()) return std::string();
    return inode_->bytes.substr(offset, size);
  }
  absl::Status Write(std::uint64_t offset, std::string_view bytes) override {
    if (!IsAlive()) return Crashed();
    const absl::Status begun = directory_.Begin();
    // A write that the machine stops in may have got anywhere.
    if (!begun.ok() && !directory_.has_crashed_) return begun;
    inode_->unsynced.push_back({.offset = offset, .bytes = std::string(bytes)});
    WriteAt(inode_->bytes, offset, bytes);
    return begun;
  }
  absl::Status Sync() override {
    if (!IsAlive()) return Crashed();
    RETURN_IF_ERROR(directory_.Begin());
    inode_->Sync();
    return absl::OkStatus();
  }
  absl::StatusOr<std::uint64_t> Size() override {
    if (!IsAlive()) return Crashed();
    return inode_->bytes.size();
  }
  absl::Status Truncate(std::uint64_t size) override {
    if (!IsAlive()) return Crashed();
    RETURN_IF_ERROR(directory_.Begin());
    inode_->unsynced.push_back({.truncated_to = size});
    inode_->bytes.resize(size, '\0');
    return absl::OkStatus();
  }

 private:
  bool IsAlive() const { return life_ == directory_.life_ && !directory_.has_crashed_; }

  FaultyDirectory& directory_;
  std::shared_ptr<Inode> inode_;
  std::uint64_t life_;
};

FaultyDirectory::FaultyDirectory(std::uint64_t seed) : prng_(seed) {}
FaultyDirectory::~FaultyDirectory() = default;

absl::Status FaultyDirectory::Begin() {
  if (has_crashed_) return Crashed();
  ++operations_;
  if (crash_at_ && operations_ >= *crash_at_) {
    has_crashed_ = true;
    return Crashed();
  }
  const auto failure = failures_.find(operations_);
  return failure == failures_.end() ? absl::OkStatus() : failure->second;
}

void FaultyDirectory::FailAt(std::uint64_t operation, absl::Status status) {
  failures_[operation] = std::move(status);
}

void FaultyDirectory::ForgetFaults() {
  crash_at_.reset();
  failures_.clear();
}

void FaultyDirectory::Apply(std::vector<Change> changes) {
  for (const Change& change : changes) {
    if (change.inode) {
      entries_.insert_or_assign(change.name, change.inode);
    } else {
      entries_.erase(change.name);
    }
  }
  unsynced_.push_back(std::move(changes));
}

absl::StatusOr<std::unique_ptr<File>> FaultyDirectory::Open(std::string_view name, OpenMode mode) {
  if (has_crashed_) return Crashed();
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    if (mode == OpenMode::kMustExist) {
      return absl::NotFoundError(absl::StrCat("no file ", std::string(name)));
    }
    RETURN_IF_ERROR(Begin());
    Apply({{.name = std::string(name), .inode = std::make_shared<Inode>()}});
    found = entries_.find(name);
  }
  return std::make_unique<OpenFile>(*this, found->second);
}

absl::StatusOr<std::vector<std::string>> FaultyDirectory::List() {
  if (has_crashed_) return Crashed();
  std::vector<std::string> names;
  for (const auto& [name, inode] : entries_) names.push_back(name);
  return names;
}

absl::Status FaultyDirectory::Rename(std::string_view source, std::string_view target) {
  RETURN_IF_ERROR(Begin());
  const auto found = entries_.find(source);
  if (found == entries_.end()) return absl::NotFoundError("nothing to rename");
  const std::shared_ptr<Inode> inode = found->second;
  Apply({{.name = std::string(target), .inode = inode}, {.name = std::string(source)}});
  return absl::OkStatus();
}

absl::Status FaultyDirectory::Remove(std::string_view name) {
  RETURN_IF_ERROR(Begin());
  if (!entries_.contains(name)) return absl::NotFoundError("nothing to remove");
  Apply({{.name = std::string(name)}});
  return absl::OkStatus();
}

absl::Status FaultyDirectory::Sync() {
  RETURN_IF_ERROR(Begin());
  durable_entries_ = entries_;
  unsynced_.clear();
  return absl::OkStatus();
}

void FaultyDirectory::Restart() {
  entries_ = durable_entries_;
  const std::vector<std::vector<Change>> pending = std::exchange(unsynced_, {});
  const std::uint64_t kept = prng_.Below(pending.size() + 1);
  for (std::uint64_t i = 0; i < kept; ++i) Apply(pending[i]);
  unsynced_.clear();
  durable_entries_ = entries_;
  for (const auto& [name, inode] : entries_) inode->Crash(prng_);
  ++life_;
  crash_at_.reset();
  has_crashed_ = false;
}

std::unique_ptr<FaultyDirectory> FaultyDirectory::DurableImage() const {
  auto image = std::make_unique<FaultyDirectory>(1);
  for (const auto& [name, inode] : durable_entries_) {
    auto copy = std::make_shared<Inode>();
    copy->bytes = copy->durable = inode->durable;
    image->entries_.emplace(name, std::move(copy));
  }
  image->durable_entries_ = image->entries_;
  return image;
}

std::vector<std::string> FaultyDirectory::DurableNames() const {
  std::vector<std::string> names;
  for (const auto& [name, inode] : durable_entries_) names.push_back(name);
  return names;
}

const std::string* FaultyDirectory::DurableContents(std::string_view name) const {
  const auto found = durable_entries_.find(name);
  return found == durable_entries_.end() ? nullptr : &found->second->durable;
}

void FaultyDirectory::FlipBit(std::string_view name, std::uint64_t bit) {
  Inode& inode = *entries_.find(name)->second;
  CHECK(bit / 8 < inode.bytes.size());
  inode.bytes[bit / 8] = static_cast<char>(inode.bytes[bit / 8] ^ (1 << (bit % 8)));
  inode.durable = inode.bytes;
}

void FaultyDirectory::Overwrite(std::string_view name, std::string_view bytes) {
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    found = entries_.emplace(std::string(name), std::make_shared<Inode>()).first;
  }
  found->second->bytes = std::string(bytes);
  found->second->Sync();
  durable_entries_ = entries_;
}

std::string FaultyDirectory::Contents(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? std::string() : found->second->bytes;
}

}  // namespace coterie::io
