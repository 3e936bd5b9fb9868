#pragma once

// For tests: a server of coterie.llm.v1 on a port of the system's choice that says what it was told
// to say, to see what its callers do. The real one is coterie-llm. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coterie/llm/v1/llm.grpc.pb.h"

namespace coterie::rpc {

class TestingLlm {
 public:
  struct Script {
    std::vector<std::string> pieces;  // Of the answer to everything.
    bool is_endless = false;          // The last piece again and again, until the caller goes.
    std::uint32_t active = 0;         // What GetStatus says, of four slots,
    std::uint32_t waiting = 0;        // and of a queue
    std::uint32_t waiting_max = 64;   // of so many.
    bool refuses = false;             // To answer, because its queue is full.
    grpc::Status failure;             // Instead of an answer,
    int answers = 0;                  // after so many.
    int dies = 0;                     // So many answers break off after their first piece.
    bool is_mute = false;             // Does not say which model it has.
    std::uint32_t place = 0;          // In its queue, before each answer begins.
    bool reads = false;               // Says in the middle of a prompt that half of it is read.
    // Runs each time that it has said what it is waiting for.
    std::function<void()> holds = [] {};
    // So far it is loaded when it is asked how it is, each time the next one; then it is there.
    std::vector<std::uint32_t> loading;
    // Not 0: prompt and answer together have so many tokens of `token_bytes` bytes of text.
    std::uint32_t context_tokens = 0;
    std::uint32_t token_bytes = 4;
    // Instead of `pieces`, what is answered to the last message.
    std::function<std::string(const std::string& content)> answer;
  };
  explicit TestingLlm(Script script);
  ~TestingLlm();
  TestingLlm(const TestingLlm&) = delete;
  TestingLlm& operator=(const TestingLlm&) = delete;

  std::string address() const;
  int asked() const;
  int asked_for_status() const;
  // On whose behalf the last question was.
  std::string last_client() const;
  // The longest prompt that was answered, in bytes.
  std::size_t longest_prompt() const;
  // Until so many callers have gone in the middle of their answer, or it has taken too long: false.
  bool WaitUntilCancelled(int calls) const;

 private:
  class Service;
  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace coterie::rpc
