#pragma once

// The files of a store, for RocksDB: as the file system's own, but for what happens on a full disk.
// A write that finds no room waits until there is some. RocksDB would take its failure for the end:
// it refuses writes until it is opened again, and as Debian builds it may abort on the way there.
// So its flushes and compactions stand still instead, reads go on, and all of it goes on by itself.
//
// Only files that are written anew wait: tables and manifests, by RocksDB's own threads or by who
// asks for a flush or a checkpoint. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <thread>

namespace coterie::store {

// Whether the writes of one store's files find room. Any thread.
class Room {
 public:
  bool IsAwaited() const { return waiting_.load() > 0; }
  // From now on what finds no room fails, also what waits.
  void StopWaiting();
  // Waits so long. True = StopWaiting() has been called.
  bool AwaitStop(absl::Duration time);
  // While a thread opens the store its own writes fail: whoever starts a node wants to be told.
  void BeginOpening() { opener_.store(std::this_thread::get_id()); }
  void EndOpening() { opener_.store(std::thread::id()); }

  // A write that has found none, for as long as it waits.
  class Waiter {
   public:
    explicit Waiter(Room& room) : room_(room) { room_.waiting_.fetch_add(1); }
    ~Waiter() { room_.waiting_.fetch_sub(1); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    // False = it is to fail; else it is to be tried again.
    bool Await();

   private:
    Room& room_;
  };

 private:
  std::atomic<int> waiting_{0};
  std::atomic<std::thread::id> opener_;
  absl::Mutex mutex_;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// On the machine's file system. `room` outlives it and its files.
std::shared_ptr<rocksdb::FileSystem> MakePatientFiles(Room& room);

}  // namespace coterie::store
