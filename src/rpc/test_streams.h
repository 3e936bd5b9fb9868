#pragma once

// For tests: one open subscription and one attachment to a real node. One thread.

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "coterie/v1/events.grpc.pb.h"
#include "coterie/v1/presence.grpc.pb.h"
#include "rpc/testing_node.h"

namespace coterie::rpc {

// One open subscription; Next() waits for the next batch with events.
class Watch {
 public:
  Watch(const TestingNode& node, const TestingClient& client, const v1::SubscribeRequest& request)
      : stub_(node.channel()) {
    client.Prepare(context_);
    reader_ = stub_.Subscribe(&context_, request);
  }
  ~Watch() { context_.TryCancel(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Without events when the stream has ended.
  v1::SubscribeResponse Next() {
    v1::SubscribeResponse response;
    while (reader_->Read(&response)) {
      EXPECT_GT(response.revision(), last_);
      last_ = response.revision();
      if (response.events_size() > 0) return response;
    }
    return {};
  }
  // The first message of all, which may be a mark.
  std::uint64_t Begin() {
    v1::SubscribeResponse response;
    return reader_->Read(&response) ? response.revision() : 0;
  }
  grpc::Status End() {
    v1::SubscribeResponse response;
    while (reader_->Read(&response)) continue;
    return reader_->Finish();
  }

 private:
  v1::EventService::Stub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> reader_;
  std::uint64_t last_ = 0;
};

class Attached {
 public:
  Attached(const TestingNode& node, const TestingClient& client) : stub_(node.channel()) {
    client.Prepare(context_);
    stream_ = stub_.Attach(&context_);
  }
  ~Attached() { context_.TryCancel(); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  // Says what it does and waits for an answer.
  v1::AttachResponse Say(v1::Activity activity, std::uint64_t doc) {
    v1::AttachRequest request;
    request.set_activity(activity);
    if (doc != 0) request.mutable_document()->set_id(doc);
    stream_->Write(request);
    return Hear();
  }
  v1::AttachResponse Hear() {
    v1::AttachResponse response;
    stream_->Read(&response);
    return response;
  }
  grpc::Status Close() {
    stream_->WritesDone();
    v1::AttachResponse response;
    while (stream_->Read(&response)) continue;
    return stream_->Finish();
  }

 private:
  v1::PresenceService::Stub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>> stream_;
};

inline v1::SubscribeRequest After(std::uint64_t revision) {
  v1::SubscribeRequest request;
  request.set_after_revision(revision);
  return request;
}

inline v1::SubscribeRequest FromNow() {
  v1::SubscribeRequest request;
  request.set_from_now(true);
  return request;
}

}  // namespace coterie::rpc
