#include "tls/pem.h"

#include <absl/strings/str_cat.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "runtime/status_macros.h"

namespace coterie::tls {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

constexpr std::size_t kFileBytesMax = 4 << 20;

absl::Status Refuse(const PemFile& file, std::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(file.flag), " ", file.path, ": ", std::string(why)));
}

absl::StatusOr<std::string> Read(const PemFile& file) {
  // Not by iterators, which throw where a folder is.
  std::ifstream stream(file.path, std::ios::binary);
  std::string bytes(kFileBytesMax + 1, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!stream.eof() || stream.bad()) {
    return Refuse(
        file, stream.good() ? "is too long for certificates or a key" : "the file cannot be read");
  }
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

std::unique_ptr<BIO, Free> Over(const std::string& bytes) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

absl::StatusOr<Certificate> FirstCertificate(const PemFile& file, const std::string& pem) {
  Certificate first(PEM_read_bio_X509(Over(pem).get(), nullptr, nullptr, nullptr));
  if (first == nullptr) return Refuse(file, "holds no certificate (PEM, BEGIN CERTIFICATE)");
  if (X509_cmp_current_time(X509_get0_notAfter(first.get())) < 0) {
    return Refuse(file, "has expired; get a new certificate");
  }
  return first;
}

}  // namespace

absl::StatusOr<Pair> LoadPair(const PemFile& certificate, const PemFile& key) {
  ASSIGN_OR_RETURN(std::string chain_pem, Read(certificate));
  ASSIGN_OR_RETURN(std::string key_pem, Read(key));
  ASSIGN_OR_RETURN(const Certificate first, FirstCertificate(certificate, chain_pem));
  const Key secret(PEM_read_bio_PrivateKey(Over(key_pem).get(), nullptr, nullptr, nullptr));
  if (secret == nullptr) {
    return Refuse(key, "holds no key without a passphrase (PEM, BEGIN PRIVATE KEY)");
  }
  if (X509_check_private_key(first.get(), secret.get()) != 1) {
    return Refuse(key, absl::StrCat("is not the key of ", certificate.path));
  }
  return Pair{.chain_pem = std::move(chain_pem), .key_pem = std::move(key_pem)};
}

absl::StatusOr<std::string> LoadAuthority(const PemFile& file) {
  if (file.path.empty()) return std::string();
  ASSIGN_OR_RETURN(std::string pem, Read(file));
  RETURN_IF_ERROR(FirstCertificate(file, pem).status());
  return pem;
}

}  // namespace coterie::tls
