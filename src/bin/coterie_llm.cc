// coterie-llm: one language model as a process of its own. Reads the flags, loads the model, or
// passes on to a server that has one, serves until SIGTERM or SIGINT, lets the answers that are
// running finish, and ends.

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "bin/llm_options.h"
#include "bin/loopback.h"
#include "bin/toml_config.h"
#include "bin/urgency.h"
#include "io/posix_clock.h"
#include "llm/engine.h"
#include "llm/model.h"
#include "llm/model_file.h"
#include "llm/openai_service.h"
#include "llm/server.h"
#include "llm/service.h"
#include "runtime/version.h"

namespace coterie::bin {
namespace {

// Part of the interface: listed in --help.
enum Exit : int {
  kExitDone = 0,
  kExitStart = 1,
  kExitFlags = 2,
  kExitNoModel = 3,
  kExitBadModel = 4,
  kExitUnsupportedModel = 5,
};
constexpr char kExitCodesHelp[] =
    "Exit codes: 0 stopped by a signal; 1 cannot start (port, memory); 2 wrong flags; 3 no model "
    "file; 4 the file is truncated, damaged or no GGUF; 5 llama.cpp does not support the model.";
constexpr float kProgressStep = 0.25F;
constexpr std::size_t kQueueSharePerClient = 4;  // One client may have a quarter of the queue.
constexpr double kMegabyte = 1e6;

int Fail(int code, const std::string& message) {
  static_cast<void>(std::fprintf(stderr, "coterie-llm: %s\n", message.c_str()));
  return code;
}
int Fail(int code, const absl::Status& error) { return Fail(code, std::string(error.message())); }

int ExitOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kNotFound:
      return kExitNoModel;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return kExitBadModel;
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
      return kExitUnsupportedModel;
    default:
      return kExitStart;
  }
}

void AddFlags(CLI::App& app, LlmOptions& options) {
  app.footer(kExitCodesHelp);
  app.add_option("--backend", options.backend,
                 "llama: a model in this process; openai: a server with OpenAI's HTTP API "
                 "(llama-server, Ollama, vLLM)")
      ->check(CLI::IsMember({"llama", "openai"}))
      ->capture_default_str();
  app.add_option("--url", options.url, "That server, for example http://127.0.0.1:11434");
  app.add_option("--model-name", options.model_name,
                 "The model, as that server calls it; default: the first that it lists");
  app.add_option("--api-key-file", options.api_key_file, "File with that server's key alone in it");
  app.add_option("--api-key-variable", options.api_key_variable,
                 "Environment variable with the key, if there is no file")
      ->capture_default_str();
  app.add_option("--model", options.model, "The model, a GGUF file; default: the one in --models");
  app.add_option("--models", options.models, "Folder to look for the model in")
      ->capture_default_str();
  app.add_option("--listen", options.listen, "HOST:PORT to serve nodes at; port 0: any")
      ->capture_default_str();
  app.add_option("--tls-cert", options.tls.certificate, "TLS: certificate chain of that port, PEM");
  app.add_option("--tls-key", options.tls.key, "Its key, PEM");
  app.add_option("--tls-ca", options.tls.client_authority,
                 "Only who shows a certificate that this authority signed may ask, PEM");
  app.add_option("--chat-template", options.chat_template,
                 "One of llama.cpp's by name, for example chatml; default: the model's own");
  app.add_option("--context", options.context, "Most tokens of a request, prompt and answer")
      ->capture_default_str();
  app.add_option("--slots", options.slots, "Answers that are generated at once")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads that compute; 0: all cores but one")
      ->capture_default_str();
  app.add_option("--poll", options.poll, "0 to 100: how eagerly these wait for the next step")
      ->capture_default_str();
  app.add_option("--queue", options.waiting_max, "Requests that may wait")->capture_default_str();
  app.add_option("--nice", options.nice, "How much less urgent than other programs, 0 to 19")
      ->capture_default_str();
  app.add_option("--yield-every", options.yield_microseconds,
                 "Microseconds after which others who wait get a processor while it computes; 0: "
                 "when the kernel likes, on some machines milliseconds")
      ->capture_default_str();
  app.add_option("--drain-seconds", options.drain_seconds,
                 "How long running answers may go on after SIGTERM")
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "Least level that is logged to stderr")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
}

void WriteLlamaLine(llm::LlamaLog::Level level, std::string_view line) {
  using Level = llm::LlamaLog::Level;
  // Its errors are part of what we say ourselves; its news are nobody's.
  const bool is_news = level == Level::kInfo || level == Level::kDebug;
  spdlog::log(is_news ? spdlog::level::trace : spdlog::level::debug, "llama.cpp: {}", line);
}

absl::StatusOr<std::string> FindModel(const LlmOptions& options, llm::LlamaLog& log) {
  absl::StatusOr<std::string> path = llm::FindModel(options.model, options.models);
  if (!path.ok()) return path.status();
  absl::Status checked = llm::Model::CheckFile(*path, log);
  return checked.ok() ? path : checked;
}

absl::StatusOr<std::unique_ptr<llm::Model>> LoadModel(const std::string& path,
                                                      const std::string& chat_template,
                                                      llm::LlamaLog& log, llm::Service& service) {
  spdlog::info("loading {}", path);
  // Owned by the callback, which may be called many times.
  const auto next = std::make_shared<float>(kProgressStep);
  return llm::Model::Load({.path = path,
                           .chat_template = chat_template,
                           .on_progress =
                               [next, &service](float progress) {
                                 service.SetLoading(progress);
                                 if (progress < *next) return;
                                 spdlog::info("loading: {:.0f} %", progress * 100);
                                 *next += kProgressStep;
                               }},
                          log);
}

// Nodes prove themselves by certificates alone: there are no users here.
void WarnOfOpenPort(const LlmOptions& options) {
  if (IsLoopback(options.listen) || !options.tls.client_authority.empty()) return;
  spdlog::warn(
      "whoever reaches {} may ask this model{}; --tls-cert, --tls-key and --tls-ca leave "
      "it to nodes",
      options.listen,
      options.tls.certificate.empty() ? " and read on the way what others ask" : "");
}

void ServeUntilSignal(llm::Server& server, const LlmOptions& options, const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("signal {}: finishing what is being answered", signal);
  server.Stop(absl::Now() + absl::Seconds(options.drain_seconds));
  spdlog::info("stopped");
}

// Of those that may wait, so many may be one client's.
std::uint32_t PerClient(std::uint32_t waiting_max) {
  return (waiting_max - 1) / kQueueSharePerClient + 1;
}

using Credentials = std::shared_ptr<grpc::ServerCredentials>;

int Run(const LlmOptions& options, const Credentials& credentials, const sigset_t& signals) {
  const io::PosixClock clock;
  llm::LlamaLog log(WriteLlamaLine);
  const absl::StatusOr<std::string> path = FindModel(options, log);
  if (!path.ok()) return Fail(ExitOf(path.status()), path.status());
  // Before the server, which uses them, so that they outlive it.
  absl::StatusOr<std::unique_ptr<llm::Model>> model;
  absl::StatusOr<std::unique_ptr<llm::Engine>> engine;
  auto owned = std::make_unique<llm::Service>(clock);
  llm::Service& service = *owned;
  // Nodes are told how far the model is loaded.
  absl::StatusOr<std::unique_ptr<llm::Server>> server =
      llm::Server::Start({.listen = options.listen,
                          .credentials = credentials,
                          .service = std::move(owned),
                          .stop = [&engine](absl::Time deadline) {
                            if (engine.ok()) (*engine)->Stop(deadline);
                          }});
  if (!server.ok()) return Fail(kExitStart, server.status());
  (*server)->SetHealthy(false);
  const auto give_up = [&server](int code, const auto& why) {
    (*server)->Stop(absl::InfinitePast());
    return Fail(code, why);
  };
  model = LoadModel(*path, options.chat_template, log, service);
  if (!model.ok()) return give_up(ExitOf(model.status()), model.status());
  if (!options.chat_template.empty() && !(*model)->has_chat_template()) {
    return give_up(kExitFlags, "--chat-template: llama.cpp knows none by that name");
  }
  const std::uint32_t threads = ThreadsOf(options, std::thread::hardware_concurrency());
  const llm::EngineOptions engine_options{
      .context = options.context,
      .slots = options.slots,
      .threads = threads,
      .poll = options.poll,
      .yield_every = absl::Microseconds(options.yield_microseconds),
      .waiting_max = options.waiting_max,
      .waiting_per_client_max = PerClient(options.waiting_max),
      .seed = std::random_device()()};
  engine = llm::Engine::Start(**model, engine_options, clock);
  if (!engine.ok()) return give_up(kExitStart, engine.status());
  service.Serve(**model, **engine);
  (*server)->SetHealthy(true);
  if (!(*model)->has_chat_template()) {
    spdlog::warn("the model has no chat template that is known here: only raw prompts are served");
  }
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  spdlog::info(
      "ready at {}:{}: {} ({}, {:.0f} MB), context {} of {}, {} slots, {} threads, nice {}", host,
      (*server)->port(), (*model)->name(), (*model)->description(),
      static_cast<double>((*model)->size_bytes()) / kMegabyte, (*engine)->context(),
      (*model)->trained_context(), options.slots, threads, options.nice);

  ServeUntilSignal(**server, options, signals);
  return kExitDone;
}

// The key that the other server wants; empty = none.
absl::StatusOr<std::string> ReadKey(const LlmOptions& options) {
  constexpr std::size_t kKeyBytesMax = 4'096;
  std::string key;
  if (options.api_key_file.empty()) {
    const char* value = std::getenv(options.api_key_variable.c_str());
    if (value != nullptr) key = value;
  } else {
    std::ifstream file(options.api_key_file);
    if (!std::getline(file, key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--api-key-file ", options.api_key_file, ": cannot be read, or is empty"));
    }
  }
  while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.pop_back();
  const bool is_printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (key.size() > kKeyBytesMax || !is_printable) {
    return absl::InvalidArgumentError("the API key is longer than 4 KiB, or has spaces in it");
  }
  return key;
}

int RunOpenAi(const LlmOptions& options, const Credentials& credentials, const sigset_t& signals) {
  const io::PosixClock clock;
  absl::StatusOr<llm::HttpUrl> url = llm::ParseUrl(options.url);
  if (!url.ok()) return Fail(kExitFlags, url.status());
  if (absl::EndsWith(url->path, "/v1")) url->path.resize(url->path.size() - 3);  // Ours to add.
  absl::StatusOr<std::string> key = ReadKey(options);
  if (!key.ok()) return Fail(kExitFlags, key.status());
  if (!key->empty() && !url->has_tls && url->host != "127.0.0.1" && url->host != "localhost") {
    spdlog::warn("the API key goes to {} without TLS: whoever is on the way can read it",
                 url->host);
  }
  auto service = std::make_unique<llm::OpenAiService>(
      llm::OpenAiOptions{.url = *url,
                         .model = options.model_name,
                         .api_key = *key,
                         .context = options.context,
                         .slots = options.slots,
                         .waiting_max = options.waiting_max,
                         .waiting_per_client_max = PerClient(options.waiting_max)},
      clock);
  llm::OpenAiService& asked = *service;
  const absl::StatusOr<std::string> model = asked.Probe();
  if (absl::IsUnavailable(model.status()) || absl::IsDeadlineExceeded(model.status())) {
    spdlog::warn("{}; serving all the same, it may come", std::string(model.status().message()));
  } else if (!model.ok()) {
    return Fail(kExitStart, model.status());
  }
  absl::StatusOr<std::unique_ptr<llm::Server>> server =
      llm::Server::Start({.listen = options.listen,
                          .credentials = credentials,
                          .service = std::move(service),
                          .stop = [&asked](absl::Time) { asked.Stop(); }});
  if (!server.ok()) return Fail(kExitStart, server.status());
  (*server)->SetHealthy(model.ok());
  asked.Watch([&server](const absl::Status& health) {
    (*server)->SetHealthy(health.ok());
    if (health.ok()) return spdlog::info("the model's server is well again");
    spdlog::warn("nodes are sent elsewhere: {}", std::string(health.message()));
  });
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  spdlog::info("ready at {}:{}: {} at {}, {} answers at once", host, (*server)->port(),
               model.ok() ? *model : "no model yet", options.url, options.slots);
  ServeUntilSignal(**server, options, signals);
  return kExitDone;
}

int Main(int argc, char** argv) {
  CLI::App app("Serves a language model to the nodes of a Coterie cluster.", "coterie-llm");
  LlmOptions options;
  options.models = llm::kModelsFolder;
  AddFlags(app, options);
  app.set_version_flag("--version", std::string("coterie-llm ") + runtime::kProgramVersion);
  AddConfigFlag(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version.
    return Fail(kExitFlags, std::string(error.what()) + " (see coterie-llm --help)");
  }
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    return Fail(kExitFlags, status);
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("coterie-llm"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args* line) {
    spdlog::debug("grpc: {}:{}: {}", line->file, line->line, line->message);
  });
  if (!BecomeLessUrgent(options.nice)) {
    spdlog::warn("cannot set the priority to nice {}", options.nice);
  }
  // Before any thread starts, so that all inherit it and only sigwait() gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const absl::StatusOr<Credentials> credentials = llm::LoadCredentials(options.tls);
  if (!credentials.ok()) return Fail(kExitFlags, credentials.status());
  WarnOfOpenPort(options);
  return options.backend == "openai" ? RunOpenAi(options, *credentials, signals)
                                     : Run(options, *credentials, signals);
}

}  // namespace
}  // namespace coterie::bin

int main(int argc, char** argv) { return coterie::bin::Main(argc, argv); }
