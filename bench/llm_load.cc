// Asks a coterie-llm for answers and prints how fast they came, as JSON lines; beside the time on
// the clock, the processor time that the server spent, which other programs disturb less.
//   alone     one answer at a time: tokens a second from the first token to the last
//   together  eight at once: tokens of all a second, from the first request to the last token
//   document  a question about a long document, then another one: times to the first token

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/usage.h"
#include "coterie/llm/v1/llm.grpc.pb.h"

namespace coterie::bench {
namespace {

namespace v1 = llm::v1;
using Clock = std::chrono::steady_clock;

constexpr int kTogether = 8;

struct Options {
  std::string server;
  std::string work;
  std::uint32_t tokens = 128;
  std::size_t document_bytes = 1'000;  // A token a byte for a made-up model, three a space.
  pid_t server_process = 0;
  int run = 0;  // Makes the prompts differ from those of other runs.
};

struct Answer {
  std::uint32_t tokens = 0;
  std::uint32_t prompt = 0;
  std::uint32_t cached = 0;
  double first_token_seconds = 0;  // Both as this program saw it.
  double total_seconds = 0;
};

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

[[noreturn]] void Die(const std::string& message) {
  static_cast<void>(std::fprintf(stderr, "llm_load: %s\n", message.c_str()));
  std::exit(1);
}

double CpuSeconds(const Options& options) {
  return ReadUsage({options.server_process}).cpu_seconds;
}

Answer Ask(v1::LlmService::Stub& stub, const std::string& prompt, std::uint32_t tokens,
           const std::string& cache_key) {
  v1::GenerateRequest request;
  request.set_text(prompt);
  request.set_max_tokens(tokens);
  request.set_cache_key(cache_key);
  request.mutable_sampling()->set_temperature(0);
  Answer answer;
  grpc::ClientContext context;
  const Clock::time_point begun = Clock::now();
  const auto stream = stub.Generate(&context, request);
  v1::GenerateResponse response;
  while (stream->Read(&response)) {
    if (response.has_started()) {
      answer.prompt = response.started().prompt_tokens();
      answer.cached = response.started().cached_tokens();
    }
    if (response.has_text() && answer.first_token_seconds == 0) {
      answer.first_token_seconds = SecondsSince(begun);
    }
    if (response.has_finished()) answer.tokens = response.finished().answer_tokens();
  }
  answer.total_seconds = SecondsSince(begun);
  const grpc::Status status = stream->Finish();
  if (!status.ok()) Die(status.error_message());
  return answer;
}

void Alone(v1::LlmService::Stub& stub, const Options& options) {
  const std::string prompt = "run " + std::to_string(options.run) + " begins";
  Ask(stub, prompt, 1, "");  // So that the prompt is computed.
  const double cpu_begun = CpuSeconds(options);
  const Answer answer = Ask(stub, prompt, options.tokens, "");
  const double cpu_seconds = CpuSeconds(options) - cpu_begun;
  const double seconds = answer.total_seconds - answer.first_token_seconds;
  std::printf(
      "{\"work\": \"alone\", \"tokens\": %u, \"tokens_per_s\": %.3f, \"tokens_per_cpu_s\": "
      "%.3f}\n",
      answer.tokens, (answer.tokens - 1) / seconds, answer.tokens / cpu_seconds);
}

void Together(v1::LlmService::Stub& stub, const Options& options) {
  std::vector<Answer> answers(kTogether);
  std::vector<std::thread> clients;
  const auto ask_all = [&](std::uint32_t tokens) {
    clients.clear();
    for (int i = 0; i < kTogether; ++i) {
      clients.emplace_back([&, i, tokens] {
        const std::string prompt =
            std::to_string(i) + " of run " + std::to_string(options.run) + " begins";
        answers[i] = Ask(stub, prompt, tokens, prompt);
      });
    }
    for (std::thread& client : clients) client.join();
  };
  ask_all(1);  // So that the prompts are computed.
  const double cpu_begun = CpuSeconds(options);
  const Clock::time_point begun = Clock::now();
  ask_all(options.tokens);
  const double seconds = SecondsSince(begun);
  const double cpu_seconds = CpuSeconds(options) - cpu_begun;
  std::uint32_t tokens = 0;
  for (const Answer& answer : answers) tokens += answer.tokens;
  std::printf(
      "{\"work\": \"together\", \"tokens\": %u, \"tokens_per_s\": %.3f, "
      "\"tokens_per_cpu_s\": %.3f}\n",
      tokens, tokens / seconds, tokens / cpu_seconds);
}

void Document(v1::LlmService::Stub& stub, const Options& options) {
  std::string document = "document " + std::to_string(options.run) + ": ";
  while (document.size() < options.document_bytes) document += "all work and no play. ";
  const std::string key = "document " + std::to_string(options.run);
  const Answer first = Ask(stub, document + "\nWhat is this?", 8, key);
  const Answer second = Ask(stub, document + "\nWho wrote it?", 8, key);
  std::printf(
      "{\"work\": \"document\", \"prompt_tokens\": %u, \"first_s\": %.4f, \"second_s\": %.4f, "
      "\"cached_tokens\": %u}\n",
      first.prompt, first.first_token_seconds, second.first_token_seconds, second.cached);
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a coterie-llm.", "llm_load");
  app.add_option("--server", options.server, "HOST:PORT")->required();
  app.add_option("--work", options.work)
      ->required()
      ->check(CLI::IsMember({"alone", "together", "document"}));
  app.add_option("--pid", options.server_process, "Of the server")->required();
  app.add_option("--tokens", options.tokens, "Of an answer")->check(CLI::Range(2, 100'000));
  app.add_option("--document-bytes", options.document_bytes)->check(CLI::Range(1, 1 << 20));
  app.add_option("--run", options.run, "Any number that was not used before");
  CLI11_PARSE(app, argc, argv);
  const auto stub = v1::LlmService::NewStub(
      grpc::CreateChannel(options.server, grpc::InsecureChannelCredentials()));
  if (options.work == "alone") Alone(*stub, options);
  if (options.work == "together") Together(*stub, options);
  if (options.work == "document") Document(*stub, options);
  return 0;
}

}  // namespace
}  // namespace coterie::bench

int main(int argc, char** argv) { return coterie::bench::Main(argc, argv); }
