#pragma once

// The language model's servers behind this node, as one that answers: the least busy one that lives
// is asked, and another one if it fails before the first word, or at any time where nobody is shown
// the answer as it comes. What the servers say of themselves is remembered for a moment. Blocks;
// any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coterie/llm/v1/llm.grpc.pb.h"

namespace coterie::rpc {

// Gives a call up from another thread: what it is waiting for ends at once.
class Cancellation {
 public:
  void Cancel();
  bool IsCancelled() const;
  // Until it is cancelled, or so long: false.
  bool WaitFor(absl::Duration duration) const;

  // For the life of a client's call that is to be cancelled with it.
  class Scope {
   public:
    Scope(Cancellation& cancellation, grpc::ClientContext& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Cancellation& cancellation_;
  };

 private:
  mutable absl::Mutex mutex_;
  bool is_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

class LlmServers {
 public:
  static constexpr std::size_t kServersMax = 16;

  // "host:port" each; none are connected yet.
  LlmServers(const std::vector<std::string>& addresses,
             const std::shared_ptr<grpc::ChannelCredentials>& credentials);
  ~LlmServers();

  // What an answer waits for.
  struct Waiting {
    enum class For : std::uint8_t {
      kPlace,    // A slot; `value` = its place in the queue, 1 = the next.
      kModel,    // To be loaded, so many per cent,
      kReading,  // or for its prompt to be read.
    };
    For what;
    std::uint32_t value;
    friend bool operator==(const Waiting&, const Waiting&) = default;
  };
  struct Listener {
    std::function<void(const std::string& model)> started;  // May be empty, as may the others.
    std::function<void(const std::string& text)> text;
    std::function<void(Waiting)> waits;
    // What `text` was told of an answer that failed may be forgotten: another server may begin.
    bool may_begin_anew = false;
  };
  // How an answer ended.
  enum class Ended : std::uint8_t {
    kWhole,
    kAtMaxTokens,   // As many as were asked for, or as the server gives.
    kAtContextEnd,  // The prompt has left room for no more.
  };
  struct Answer {
    std::string model;
    std::string text;
    Ended ended = Ended::kWhole;
  };
  // Whether there is one that answers.
  bool IsReady(Cancellation& cancellation) const { return !Ready(cancellation).empty(); }
  // As they have said last: none answers, but one is loading its model, so many per cent, the most
  // of all. Empty: not so. Asks nobody.
  std::optional<std::uint32_t> LoadingPercent() const;
  // Tokens of prompt and answer together, of those that answer now: the fewest. 0 = not known.
  std::uint32_t ContextTokens(Cancellation& cancellation) const;
  // kFailedPrecondition: there are no servers. kUnavailable: none answers, or the one that did died
  // during the answer. kCancelled, kDeadlineExceeded. What a server refuses is passed on.
  absl::StatusOr<Answer> Generate(const llm::v1::GenerateRequest& request, absl::Time deadline,
                                  Cancellation& cancellation, const Listener& listener) const;

 private:
  struct Server;
  class Begun;
  class Inquiry;
  // Those that answer, the least busy first, and those with a full queue last.
  std::vector<const Server*> Ready(Cancellation& cancellation) const;
  bool HasOne() const;  // That has just answered.
  // Has all servers speak of themselves at once, unless each has just done so.
  void Inquire(Cancellation& cancellation) const;
  absl::Status NoneAnswers() const;
  std::string Addresses() const;

  std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace coterie::rpc
