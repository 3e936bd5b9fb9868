#include "gateway/shard.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

namespace coterie::gateway {

namespace asio = boost::asio;

class Shard::Impl {
 public:
  Impl() : io(1), guard(asio::make_work_guard(io)) {}

  // As its destructor begins.
  class Context : public asio::io_context {
   public:
    using asio::io_context::io_context;
    void Drop() { shutdown(); }
  };
  Context io;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard;
};

Shard::Shard() : impl_(std::make_unique<Impl>()) {}
Shard::~Shard() = default;

void Shard::Start() {
  thread_ = std::jthread([this] { impl_->io.run(); });
}

void Shard::Stop() {
  if (!thread_.joinable()) return;
  // Behind everything that was posted so far; timers and sockets do not hold it up.
  asio::post(impl_->io, [this] { impl_->io.stop(); });
  thread_.join();
}

void Shard::Drop() {
  impl_->io.Drop();
  for (const auto& [who, let_go] : std::exchange(at_drop_, {})) let_go();
}

void Shard::AtDrop(const void* who, std::function<void()> let_go) {
  at_drop_.insert_or_assign(who, std::move(let_go));
}

void Shard::Forget(const void* who) { at_drop_.erase(who); }

void Shard::Post(std::function<void()> work) { asio::post(impl_->io, std::move(work)); }

void Shard::PostAfter(absl::Duration pause, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->io, absl::ToChronoNanoseconds(pause));
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

asio::io_context& Shard::io() { return impl_->io; }

}  // namespace coterie::gateway
