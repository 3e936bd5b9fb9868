#include "gateway/gateway.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "gateway/http_connection.h"
#include "rpc/assist_runs.h"
#include "rpc/cluster_watch.h"
#include "rpc/peer_address.h"
#include "runtime/status_macros.h"

namespace coterie::gateway {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

absl::Status CannotListen(const std::string& address, const error_code& error) {
  return absl::UnavailableError(
      absl::StrCat("--http-listen ", address, ": cannot listen there: ", error.message()));
}

// "host:port", an IPv6 address in brackets: its host as the resolver wants it.
std::string HostOf(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2);
  }
  return host;
}

std::vector<std::unique_ptr<Shard>> MakeShards(std::size_t count) {
  CHECK(count > 0);
  std::vector<std::unique_ptr<Shard>> shards;
  for (std::size_t i = 0; i < count; ++i) shards.push_back(std::make_unique<Shard>());
  return shards;
}

std::vector<Shard*> PointersTo(const std::vector<std::unique_ptr<Shard>>& shards) {
  std::vector<Shard*> pointers;
  for (const std::unique_ptr<Shard>& shard : shards) pointers.push_back(shard.get());
  return pointers;
}

}  // namespace

class Gateway::Impl {
 public:
  Impl(const rpc::Faces& faces, const Options& options)
      : options_(options),
        admission_(
            {.sockets_max = options.sockets_max,
             .sockets_per_address_max = options.sockets_per_address_max,
             .large_messages_max = kLargeMessagesMax,
             .body_bytes_max = kBodyBytesMax,
             .body_bytes_each_max = kBodyBytesEachMax},
            {.large_messages = counters_.large_messages, .body_bytes = counters_.http_body_bytes}),
        shards_(MakeShards(options.threads)),
        rooms_(faces.calls, PointersTo(shards_), counters_, options.event_bytes_max),
        context_{.options = options_,
                 .faces = faces,
                 .rooms = rooms_,
                 .refusal_pace = refusal_pace_,
                 .counters = counters_,
                 .files = files_,
                 .proxies = proxies_},
        acceptor_(shards_[0]->io()) {}

  ~Impl() {
    for (const std::unique_ptr<Shard>& shard : shards_) shard->Drop();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start() {
    ASSIGN_OR_RETURN(proxies_, TrustedProxies::Parse(options_.trusted_proxies));
    if (!options_.web_root.empty()) {
      ASSIGN_OR_RETURN(files_,
                       StaticFiles::Load(options_.web_root, options_.origins, options_.control));
    }
    RETURN_IF_ERROR(LoadCertificate());
    RETURN_IF_ERROR(Listen());
    rooms_.Start();
    context_.faces.assist.OnGuest([this](const rpc::Guest& guest) { rooms_.Show(guest); });
    context_.faces.watch.SetEditorCounters(
        rpc::EditorCounters{.updates = counters_.updates_received,
                            .deliveries = counters_.deliveries,
                            .commit = counters_.commit});
    for (const std::unique_ptr<Shard>& shard : shards_) shard->Start();
    shards_[0]->Post([this] { Accept(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }

  void Stop(absl::Time deadline) {
    if (context_.is_stopping.exchange(true)) return;
    shards_[0]->Post([this] {
      error_code ignored;
      acceptor_.close(ignored);
    });
    rooms_.CloseAll(CloseCode::kRestarting, "this node is stopping");
    admission_.WaitUntilEmpty(deadline);
    context_.faces.assist.OnGuest(nullptr);
    context_.faces.watch.SetEditorCounters(std::nullopt);
    rooms_.Stop();
    for (const std::unique_ptr<Shard>& shard : shards_) shard->Stop();
  }

 private:
  absl::Status LoadCertificate() {
    if (options_.tls_certificate.empty()) return absl::OkStatus();
    tls_.emplace(asio::ssl::context::tls_server);
    error_code error;
    tls_->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 |
                          asio::ssl::context::single_dh_use,
                      error);
    if (!error) tls_->use_certificate_chain_file(options_.tls_certificate, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("--tls-cert ", options_.tls_certificate, ": ", error.message()));
    }
    tls_->use_private_key_file(options_.tls_key, asio::ssl::context::pem, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("--tls-key ", options_.tls_key, ": ", error.message()));
    }
    context_.tls = &*tls_;
    return absl::OkStatus();
  }

  absl::Status Listen() {
    const std::size_t colon = options_.listen.rfind(':');
    if (colon == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--http-listen ", options_.listen, ": not HOST:PORT"));
    }
    error_code error;
    tcp::resolver resolver(shards_[0]->io());
    const auto found = resolver.resolve(HostOf(options_.listen), options_.listen.substr(colon + 1),
                                        tcp::resolver::passive, error);
    if (error || found.empty()) return CannotListen(options_.listen, error);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return CannotListen(options_.listen, error);
    port_ = acceptor_.local_endpoint(error).port();
    return absl::OkStatus();
  }

  void Accept() {
    Shard& shard = *shards_[next_shard_++ % shards_.size()];
    acceptor_.async_accept(shard.io(), [this, &shard](const error_code& error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) {  // Out of descriptors, most likely: not at once again.
        return shards_[0]->PostAfter(absl::Milliseconds(20), [this] {
          if (acceptor_.is_open()) Accept();
        });
      }
      Admit(shard, std::move(socket));
      Accept();
    });
  }

  void Admit(Shard& shard, tcp::socket socket) {
    error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;
    const std::string address = NormalAddress(peer.address().to_string());
    const std::string proxy = proxies_.Contains(address) ? address : std::string();
    std::shared_ptr<Admission::Place> place =
        admission_.Admit(proxy.empty() ? rpc::CountedAs(address) : "");
    if (place == nullptr) return counters_.sockets_refused.Add();
    socket.set_option(tcp::no_delay(true), error);
    auto connection = std::make_shared<HttpConnection>(context_, shard, std::move(socket),
                                                       std::move(place), proxy);
    shard.Post([connection = std::move(connection)] { connection->Start(); });
  }

  const Options options_;
  Counters counters_;
  Admission admission_;
  RefusalPace refusal_pace_;
  StaticFiles files_;
  TrustedProxies proxies_;
  std::optional<asio::ssl::context> tls_;
  std::vector<std::unique_ptr<Shard>> shards_;  // What runs on them refers to what is above.
  Rooms rooms_;
  HttpContext context_;
  // --- The first shard's thread, once started ---
  tcp::acceptor acceptor_;
  std::size_t next_shard_ = 0;
  int port_ = 0;
};

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const rpc::Faces& faces,
                                                        const Options& options) {
  auto impl = std::make_unique<Impl>(faces, options);
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

int Gateway::port() const { return impl_->port(); }
void Gateway::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace coterie::gateway
