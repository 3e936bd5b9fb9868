#pragma once

// For tests of AssistService: a real node with one writer, ann, and language models that say what
// they were told to, or none.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "coterie/v1/assist.grpc.pb.h"
#include "rpc/testing_llm.h"
#include "rpc/testing_node.h"

namespace coterie::rpc {

class AssistTest : public testing::Test {
 protected:
  void Start(const std::vector<std::string>& llm_addresses,
             absl::Duration stalled_max = absl::Seconds(60)) {
    node_ = std::make_unique<TestingNode>(Users::kMadeAtLogin, llm_addresses,
                                          /*user_calls_per_second=*/0, stalled_max);
    ann_ = std::make_unique<TestingClient>(*node_, "ann");
  }
  std::uint64_t Create(const std::string& text) {
    const std::uint64_t doc = ann_->Create("notes");
    ann_->Append(doc, text);
    return doc;
  }
  struct Told {
    grpc::Status status;
    std::string text;
    v1::AssistEvent::Started started;
    v1::AssistEvent::Finished finished;
    std::vector<std::string> waited;  // "queued 2", "loading 40", "reading 49", in their order.
  };
  static std::string WaitOf(const v1::AssistEvent& event) {
    if (event.has_queued()) return absl::StrCat("queued ", event.queued().place());
    if (event.has_loading()) return absl::StrCat("loading ", event.loading().percent());
    if (event.has_reading()) return absl::StrCat("reading ", event.reading().percent());
    return "";
  }
  template <class Request>
  Told Ask(std::unique_ptr<grpc::ClientReader<v1::AssistEvent>> (v1::AssistService::Stub::*method)(
               grpc::ClientContext*, const Request&),
           const Request& request, absl::Duration timeout = absl::Seconds(20)) {
    grpc::ClientContext context;
    ann_->Prepare(context);
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    v1::AssistService::Stub stub(node_->channel());
    const auto reader = (stub.*method)(&context, request);
    Told told;
    v1::AssistEvent event;
    while (reader->Read(&event)) {
      told.text += event.text();
      if (const std::string wait = WaitOf(event); !wait.empty()) told.waited.push_back(wait);
      if (event.has_started()) told.started = event.started();
      if (event.has_finished()) told.finished = event.finished();
    }
    told.status = reader->Finish();
    return told;
  }
  Told Correct(std::uint64_t doc, std::uint64_t begin = 0) {
    v1::GrammarRequest request;
    request.mutable_document()->set_id(doc);
    request.mutable_range()->set_begin(begin);
    return Ask(&v1::AssistService::Stub::Grammar, request);
  }
  std::vector<v1::Suggestion> Suggestions(std::uint64_t doc) {
    v1::ListSuggestionsRequest request;
    request.mutable_document()->set_id(doc);
    const auto response = ann_->Call(&v1::AssistService::Stub::ListSuggestions, request);
    return {response.suggestions().begin(), response.suggestions().end()};
  }

  std::unique_ptr<TestingNode> node_;
  std::unique_ptr<TestingClient> ann_;
};

// What the model was given to correct, between its fences.
inline std::string PassageIn(const std::string& content) {
  const std::size_t begin = content.find('\n') + 1;
  return content.substr(begin, content.rfind('\n') - begin);
}

}  // namespace coterie::rpc
