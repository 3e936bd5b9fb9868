#pragma once

// A steady load on a cluster from several clients, each with its own user, session and thread, and
// the record of what they did, for linearizability.h to judge. A document is a register: its text
// is always 16 digits, and an edit replaces them all. Beside that each client appends numbered
// lines to one journal, which shows what was lost or done twice. Owner: one thread; the clients'
// threads live between Start() and Stop().

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/linearizability.h"

namespace coterie::tests {

enum class Presence : std::uint8_t { kAbsent, kAttached };

struct WorkloadOptions {
  std::vector<std::string> addresses;
  std::size_t clients = 8;
  std::size_t documents = 4;
  std::uint64_t seed = 1;
  Presence presence = Presence::kAbsent;         // Whether the clients' sessions are attached.
  absl::Duration pause = absl::Milliseconds(2);  // Of each client between two calls.
};

// A line of the journal.
struct JournalLine {
  std::string text;
  bool is_acknowledged = false;  // Else its outcome is unknown.
};

struct WorkloadRecord {
  std::vector<Operation> history;
  std::vector<JournalLine> journal;
  std::vector<std::uint64_t> revisions;       // Of all acknowledged changes of texts.
  std::vector<std::int64_t> acknowledged_at;  // NowNanos(), of all acknowledged changes. Sorted.
  std::vector<std::string> unexpected;        // Errors that no failure of nodes explains.
};

// Of one monotonic clock.
std::int64_t NowNanos();

class Workload {
 public:
  // Logs in every client and makes the documents.
  static absl::StatusOr<std::unique_ptr<Workload>> Prepare(const WorkloadOptions& options);
  ~Workload();

  void Start();
  // Waits for the calls in flight. All the clients have done until now.
  WorkloadRecord Stop();

  // Acknowledged changes so far; any thread.
  std::uint64_t acknowledged() const { return acknowledged_.load(); }

  // For the test's own calls; an admin's (the first user of a cluster is one).
  client::Client& client() { return *clients_.front(); }
  const std::vector<std::uint64_t>& documents() const { return documents_; }
  std::uint64_t journal() const { return journal_; }
  // The revision after which all that clients do comes.
  std::uint64_t begin_revision() const { return begin_revision_; }

 private:
  class Worker;

  explicit Workload(const WorkloadOptions& options);
  absl::Status Login();
  absl::Status MakeDocuments();

  const WorkloadOptions options_;
  std::vector<std::unique_ptr<client::Client>> clients_;
  std::vector<std::unique_ptr<client::Attachment>> attachments_;
  std::vector<std::uint64_t> documents_;
  std::uint64_t journal_ = 0;
  std::uint64_t begin_revision_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::jthread> threads_;
};

// The text of a register that holds `value`, and back; kDataLoss if it is none.
std::string RegisterText(std::uint64_t value);
absl::StatusOr<std::uint64_t> RegisterValue(const std::string& text);

}  // namespace coterie::tests
