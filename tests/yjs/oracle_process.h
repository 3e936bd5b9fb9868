#pragma once

// The real Yjs in a Node process of its own (oracle.mjs), asked by lines of JSON. Several requests
// may be on their way; the answers come in their order. One owner; one thread.

#include <sys/types.h>

#include <string>
#include <string_view>

namespace coterie::tests {

class OracleProcess {
 public:
  // Starts it. Ends this program with a message if there is no Node, or no Yjs for it.
  explicit OracleProcess(const std::string& folder);
  ~OracleProcess();
  OracleProcess(const OracleProcess&) = delete;
  OracleProcess& operator=(const OracleProcess&) = delete;

  // Hands over one request, without a line feed. Reads meanwhile, so neither side waits for ever.
  void Send(std::string_view request);
  // The answer to the oldest request that was not answered yet. Requires one.
  std::string Receive();

 private:
  enum class Until { kSent, kAnswered };
  void Pump(Until until);
  void ReadSome();
  void WriteSome();

  pid_t process_ = 0;
  int to_ = -1;
  int from_ = -1;
  std::string outgoing_;      // What is not written yet.
  std::string incoming_;      // What is read and not yet handed out.
  std::size_t searched_ = 0;  // So much of it has no line feed.
};

}  // namespace coterie::tests
