#pragma once

// What the flags of coterie-llm say, checked. Pure functions of their input.

#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "llm/server.h"

namespace coterie::bin {

struct LlmOptions {
  std::string backend = "llama";  // Or "openai": another server's HTTP API.
  std::string url;                // Of that one.
  std::string model_name;         // As it calls it; empty = the first that it lists.
  std::string api_key_file;
  std::string api_key_variable = "COTERIE_LLM_API_KEY";
  std::string model;  // Empty = the only one in `models`.
  std::string models;
  std::string listen = "127.0.0.1:50052";
  llm::TlsFiles tls;
  std::string chat_template;      // Empty = the model's own.
  std::uint32_t context = 4'096;  // Per request; at most what the model was made for.
  std::uint32_t slots = 4;
  std::uint32_t threads = 0;  // 0 = all cores but one, at least one.
  std::uint32_t poll = 50;
  std::uint32_t waiting_max = 64;
  int nice = 10;
  std::uint32_t yield_microseconds = 500;
  std::uint32_t drain_seconds = 30;
  std::string log_level = "info";
};

// What is out of range, as one sentence.
absl::Status CheckOptions(const LlmOptions& options);
// `options.threads`, or the default for a machine with so many cores.
std::uint32_t ThreadsOf(const LlmOptions& options, std::uint32_t cores);

}  // namespace coterie::bin
