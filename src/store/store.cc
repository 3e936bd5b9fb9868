#include "store/store.h"

#include <absl/container/flat_hash_map.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/check.h"
#include "runtime/status_macros.h"
#include "store/patient_files.h"

namespace coterie::store {
namespace {

constexpr std::size_t kWriteBufferBytes = 64 << 20;
constexpr std::size_t kBlockCacheBytes = 64 << 20;
// Between two looks whether RocksDB takes writes again.
constexpr absl::Duration kBusyInterval = absl::Milliseconds(1);
// A compaction writes what it reads anew before it removes it: as much, at most, is kept free for
// the next ones.
constexpr std::uint64_t kCompactionBytesMax = 512 << 20;

absl::Status ToStatus(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = std::string(what) + ": " + status.ToString();
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNotFound()) return absl::NotFoundError(text);
  if (status.IsIOError()) return absl::UnavailableError(text);
  return absl::InternalError(text);
}

// In the folder of a database in which a damaged block was met: the next Open() must not take it
// for whole, only because it has not come to that block again.
constexpr const char* kDamageMark = "/DAMAGED";

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
// Debian's abseil has a string_view of its own.
absl::string_view ToAbsl(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Which keys are written one beside the other: an insertion starts where the last one of its kind
// was. The first byte of a key names its table, a number follows: of the document, the session; or,
// in the table of events, of what grows with every entry.
class Neighbours final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "coterie.Neighbours"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    constexpr std::size_t kTableBytes = 1;
    constexpr std::size_t kNumberBytes = 8;
    if (key.empty() || key[0] == 'e') return {key.data(), std::min(key.size(), kTableBytes)};
    return {key.data(), std::min(key.size(), kTableBytes + kNumberBytes)};
  }
  bool InDomain(const rocksdb::Slice& /*key*/) const override { return true; }
};

rocksdb::Options MakeOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.compression = rocksdb::kLZ4Compression;
  options.bottommost_compression = rocksdb::kZSTD;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 3;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.max_open_files = 512;
  // Only one thread writes.
  options.memtable_insert_with_hint_prefix_extractor = std::make_shared<Neighbours>();
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  // The text log of RocksDB itself: rarely read, never unbounded.
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.max_log_file_size = 4 << 20;
  options.keep_log_file_num = 4;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// fsync of one folder, its files first.
absl::Status SyncFolder(rocksdb::Env& env, const std::string& path) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(ToStatus(env.GetChildren(path, &names), "list " + path));
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    std::unique_ptr<rocksdb::WritableFile> file;
    const std::string file_path = path + "/" + name;
    RETURN_IF_ERROR(
        ToStatus(env.ReopenWritableFile(file_path, &file, rocksdb::EnvOptions()), file_path));
    RETURN_IF_ERROR(ToStatus(file->Fsync(), "sync " + file_path));
    RETURN_IF_ERROR(ToStatus(file->Close(), "close " + file_path));
  }
  std::unique_ptr<rocksdb::Directory> directory;
  RETURN_IF_ERROR(ToStatus(env.NewDirectory(path, &directory), path));
  return ToStatus(directory->Fsync(), "sync " + path);
}

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class Store::Impl {
 public:
  Impl() : env_(rocksdb::NewCompositeEnv(MakePatientFiles(room_))) {
    write_options_.disableWAL = true;
  }

  absl::Status Open(const std::string& path) {
    rocksdb::DB* raw = nullptr;
    room_.BeginOpening();
    const rocksdb::Status opened = rocksdb::DB::Open(MakeOptions(env_.get()), path, &raw);
    room_.EndOpening();
    db_.reset(raw);
    return ToStatus(opened, "open " + path);
  }

  // On the apply path there is no way on: half of a state is no state.
  void CheckOk(const rocksdb::Status& status, const char* what) const {
    if (status.ok()) return;
    std::fprintf(stderr, "store: %s: %s\n", what, status.ToString().c_str());
    if (status.IsCorruption()) {
      static_cast<void>(rocksdb::WriteStringToFile(db_->GetEnv(), status.ToString(),
                                                   db_->GetName() + kDamageMark,
                                                   /*should_sync=*/true));
    }
    CHECK(status.ok());
  }

  std::optional<std::string> Get(std::string_view key) const {
    const auto pending = pending_.find(ToAbsl(key));
    if (pending != pending_.end()) return pending->second;
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    CheckOk(status, "read");
    return value;
  }

  void Scan(std::string_view first, std::string_view end, const Visitor& visit) const {
    CHECK(pending_.empty());
    const rocksdb::Slice upper = ToSlice(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
    for (at->Seek(ToSlice(first)); at->Valid(); at->Next()) {
      if (!visit(ToView(at->key()), ToView(at->value()))) return;
    }
    CheckOk(at->status(), "scan");
  }

  void Put(std::string_view key, std::string_view value) {
    pending_.insert_or_assign(ToAbsl(key), std::string(value));
  }
  void Delete(std::string_view key) { pending_.insert_or_assign(ToAbsl(key), std::nullopt); }

  // In the order of the keys: neighbours go into the memtable for the price of one search.
  void Commit() {
    if (pending_.empty()) return;
    if (MustPutOff()) {
      is_behind_.store(true);
      return;
    }
    order_.clear();
    for (const auto& pending : pending_) order_.push_back(&pending);
    std::ranges::sort(order_, {}, [](const Pending::value_type* pending) {
      return std::string_view(pending->first);
    });
    batch_.Clear();
    for (const Pending::value_type* pending : order_) {
      const auto& [key, value] = *pending;
      CheckOk(value ? batch_.Put(key, *value) : batch_.Delete(key), "batch");
    }
    CheckOk(db_->Write(write_options_, &batch_), "commit");
    pending_.clear();
    is_behind_.store(false);
  }

  absl::Status Flush() {
    RETURN_IF_ERROR(CheckRoom());
    rocksdb::FlushOptions options;
    options.wait = true;
    return ToStatus(db_->Flush(options), "flush");
  }

  absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const {
    // Without RocksDB's own log, "persisted" means: in a table file, which was synced with the
    // manifest that names it. store_test.cc shows that 7.8 keeps to that.
    rocksdb::ReadOptions options;
    options.read_tier = rocksdb::kPersistedTier;
    std::string value;
    const rocksdb::Status status = db_->Get(options, ToSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    RETURN_IF_ERROR(ToStatus(status, "read what is durable"));
    return std::optional<std::string>(std::move(value));
  }

  absl::Status WriteCheckpoint(const std::string& path) {
    RETURN_IF_ERROR(CheckRoom());
    rocksdb::Checkpoint* raw = nullptr;
    RETURN_IF_ERROR(ToStatus(rocksdb::Checkpoint::Create(db_.get(), &raw), "checkpoint"));
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    // 0 = flush first, always: there is no log that could hold the rest.
    RETURN_IF_ERROR(ToStatus(checkpoint->CreateCheckpoint(path, /*log_size_for_flush=*/0), path));
    rocksdb::Env& env = *db_->GetEnv();
    RETURN_IF_ERROR(SyncFolder(env, path));
    std::unique_ptr<rocksdb::Directory> parent;
    RETURN_IF_ERROR(ToStatus(env.NewDirectory(ParentOf(path), &parent), ParentOf(path)));
    return ToStatus(parent->Fsync(), "sync " + ParentOf(path));
  }

  std::uint64_t size_bytes() const {
    std::uint64_t files = 0;
    std::uint64_t memory = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &files);
    db_->GetIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &memory);
    return files + memory;
  }

  std::uint64_t wanted_bytes() const {
    std::uint64_t memory = 0;
    std::uint64_t compactions = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
    db_->GetIntProperty(rocksdb::DB::Properties::kEstimatePendingCompactionBytes, &compactions);
    return memory + std::min(compactions, kCompactionBytesMax);
  }
  bool lacks_room() const { return room_.IsAwaited() || is_behind_.load(); }
  void StopWaiting() { room_.StopWaiting(); }

 private:
  // While a flush waits for room the memtables fill up, and RocksDB lets a write stand still then.
  // So what is committed stays where it is, where Get() finds it; the log bounds how much it is.
  bool MustPutOff() {
    if (room_.AwaitStop(absl::ZeroDuration())) return true;
    while (!room_.IsAwaited()) {
      std::uint64_t is_stopped = 0;
      db_->GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &is_stopped);
      if (is_stopped == 0) return false;
      if (room_.AwaitStop(kBusyInterval)) return true;  // It is busy, no more.
    }
    return true;
  }
  absl::Status CheckRoom() const {
    return lacks_room() ? absl::ResourceExhaustedError("the disk is full") : absl::OkStatus();
  }

  Room room_;  // Before what uses it.
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<bool> is_behind_{false};  // Something committed is not in RocksDB yet.
  rocksdb::WriteOptions write_options_;
  // The writes since the last Commit(): the last one of each key.
  using Pending = absl::flat_hash_map<std::string, std::optional<std::string>>;
  Pending pending_;
  std::vector<const Pending::value_type*> order_;  // Of a commit; keeps its capacity, as
  rocksdb::WriteBatch batch_;                      // does this.
};

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path) {
  if (rocksdb::Env::Default()->FileExists(path + kDamageMark).ok()) {
    return absl::DataLossError("a damaged block was met in " + path);
  }
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(impl->Open(path));
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

std::optional<std::string> Store::Get(std::string_view key) const { return impl_->Get(key); }
void Store::Scan(std::string_view first, std::string_view end, const Visitor& visit) const {
  impl_->Scan(first, end, visit);
}
void Store::Put(std::string_view key, std::string_view value) { impl_->Put(key, value); }
void Store::Delete(std::string_view key) { impl_->Delete(key); }
void Store::Commit() { impl_->Commit(); }
absl::Status Store::Flush() { return impl_->Flush(); }
absl::StatusOr<std::optional<std::string>> Store::GetDurable(std::string_view key) const {
  return impl_->GetDurable(key);
}
absl::Status Store::WriteCheckpoint(const std::string& path) {
  return impl_->WriteCheckpoint(path);
}
std::uint64_t Store::size_bytes() const { return impl_->size_bytes(); }
std::uint64_t Store::wanted_bytes() const { return impl_->wanted_bytes(); }
bool Store::lacks_room() const { return impl_->lacks_room(); }
void Store::StopWaiting() { impl_->StopWaiting(); }

}  // namespace coterie::store
