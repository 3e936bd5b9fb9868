#include "rpc/tls.h"

#include <absl/strings/str_cat.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <iterator>
#include <string_view>

#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

struct Flag {
  std::string_view name;
  const std::string& path;
  absl::Status Refuse(std::string_view why) const {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), " ", path, ": ", std::string(why)));
  }
};

absl::StatusOr<std::string> Read(const Flag& flag) {
  std::ifstream file(flag.path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) return flag.Refuse("the file cannot be read");
  return bytes;
}

std::unique_ptr<BIO, Free> Over(const std::string& bytes) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

absl::StatusOr<Certificate> FirstCertificate(const Flag& flag, const std::string& pem) {
  Certificate first(PEM_read_bio_X509(Over(pem).get(), nullptr, nullptr, nullptr));
  if (first == nullptr) return flag.Refuse("holds no certificate (PEM, BEGIN CERTIFICATE)");
  if (X509_cmp_current_time(X509_get0_notAfter(first.get())) < 0) {
    return flag.Refuse("has expired; get a new certificate");
  }
  return first;
}

struct Pair {
  std::string chain_pem;
  std::string key_pem;
};

// gRPC would say no more than that the port cannot be had.
absl::StatusOr<Pair> LoadPair(const Flag& certificate, const Flag& key) {
  ASSIGN_OR_RETURN(std::string chain_pem, Read(certificate));
  ASSIGN_OR_RETURN(std::string key_pem, Read(key));
  ASSIGN_OR_RETURN(const Certificate first, FirstCertificate(certificate, chain_pem));
  const Key secret(PEM_read_bio_PrivateKey(Over(key_pem).get(), nullptr, nullptr, nullptr));
  if (secret == nullptr) {
    return key.Refuse("holds no key without a passphrase (PEM, BEGIN PRIVATE KEY)");
  }
  if (X509_check_private_key(first.get(), secret.get()) != 1) {
    return key.Refuse(absl::StrCat("is not the key of ", certificate.path));
  }
  return Pair{.chain_pem = std::move(chain_pem), .key_pem = std::move(key_pem)};
}

absl::StatusOr<std::string> LoadAuthority(const Flag& flag) {
  if (flag.path.empty()) return std::string();
  ASSIGN_OR_RETURN(std::string pem, Read(flag));
  RETURN_IF_ERROR(FirstCertificate(flag, pem).status());
  return pem;
}

}  // namespace

absl::StatusOr<Tls> Tls::Load(const TlsFiles& files) {
  Tls tls;
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key: give both or neither");
  }
  if (!files.certificate.empty()) {
    ASSIGN_OR_RETURN(Pair pair,
                     LoadPair({"--tls-cert", files.certificate}, {"--tls-key", files.key}));
    ASSIGN_OR_RETURN(tls.clients_.authority_pem, LoadAuthority({"--tls-ca", files.authority}));
    tls.clients_.chain_pem = std::move(pair.chain_pem);
    tls.clients_.key_pem = std::move(pair.key_pem);
  }
  const bool has_peer_pair = !files.peer_certificate.empty() && !files.peer_key.empty();
  const bool has_any =
      !files.peer_certificate.empty() || !files.peer_key.empty() || !files.peer_authority.empty();
  if (!has_any) return tls;
  if (!has_peer_pair || files.peer_authority.empty()) {
    return absl::InvalidArgumentError(
        "--peer-tls-cert, --peer-tls-key and --peer-tls-ca: give all three or none");
  }
  ASSIGN_OR_RETURN(Pair pair, LoadPair({"--peer-tls-cert", files.peer_certificate},
                                       {"--peer-tls-key", files.peer_key}));
  ASSIGN_OR_RETURN(tls.peers_.authority_pem,
                   LoadAuthority({"--peer-tls-ca", files.peer_authority}));
  tls.peers_.chain_pem = std::move(pair.chain_pem);
  tls.peers_.key_pem = std::move(pair.key_pem);
  return tls;
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForClients() const {
  if (clients_.chain_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs = {{clients_.key_pem, clients_.chain_pem}};
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForPeers() const {
  if (peers_.chain_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = peers_.authority_pem;
  options.pem_key_cert_pairs = {{peers_.key_pem, peers_.chain_pem}};
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ToPeers() const {
  if (peers_.chain_pem.empty()) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = peers_.authority_pem,
                               .pem_private_key = peers_.key_pem,
                               .pem_cert_chain = peers_.chain_pem});
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ToClientPorts() const {
  if (clients_.chain_pem.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = clients_.authority_pem;
  return grpc::SslCredentials(options);
}

}  // namespace coterie::rpc
