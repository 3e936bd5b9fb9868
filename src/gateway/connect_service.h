#pragma once

// coterie.v1 over HTTP/1.1 as the Connect protocol has it: the same handlers behind the same gate
// and policies as over gRPC. Unary methods, and Subscribe. Any thread; answers come on any.

#include <functional>
#include <memory>
#include <string>

#include "gateway/http.h"
#include "gateway/shard.h"
#include "rpc/policy.h"
#include "rpc/server.h"

namespace coterie::gateway {

// The policy of the method that a path "/coterie.v1.Service/Method" names. Null if there is none.
const rpc::Policy* PolicyOfPath(const std::string& path);

// `done` runs once.
void ServeUnary(const rpc::Faces& faces, const HttpRequest& request,
                std::function<void(HttpResponse)> done);

// EventService.Subscribe: what the answer's headers are is known before anything of it is.
HttpResponse SubscriptionHead(const HttpRequest& request);
// Feeds `stream` until it is closed: call Stop() then. On `shard`, which is the stream's.
class Subscription {
 public:
  virtual ~Subscription() = default;
  virtual void Stop() = 0;
};
std::shared_ptr<Subscription> ServeSubscription(const rpc::Faces& faces, const HttpRequest& request,
                                                const std::shared_ptr<HttpStream>& stream,
                                                Shard& shard);

}  // namespace coterie::gateway
