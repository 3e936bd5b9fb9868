#include "client/probe.h"

#include <absl/time/clock.h>

#include <utility>

#include "base/check.h"
#include "client/methods.h"

namespace coterie::client {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(1);

}  // namespace

Probe::Probe(std::shared_ptr<Connection> connection, const std::string& token)
    : connection_(std::move(connection)) {
  v1::GetStatusRequest request;
  request.set_local_only(true);
  request_ = ToBytes(request);
  Prepare(context_, token, absl::Now() + kProbeTimeout);
  connection_->Start(context_, Method<v1::GetStatusRequest>::kPath, request_, response_,
                     [this](grpc::Status status) {
                       status_ = std::move(status);
                       done_.Notify();  // The last touch.
                     });
}

Probe::~Probe() {
  context_.TryCancel();
  done_.WaitForNotification();
}

bool Probe::IsAlive() const {
  CHECK(HasAnswer());
  return status_.error_code() != grpc::StatusCode::UNAVAILABLE &&
         status_.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
}

}  // namespace coterie::client
