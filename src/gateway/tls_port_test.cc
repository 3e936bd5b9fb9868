// The port with TLS: what works without it works with it, and what is no TLS gets nothing.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"
#include "crdt/lib0.h"
#include "gateway/test_port.h"
#include "yproto/test_hex.h"

namespace coterie::gateway {
namespace {

using yproto::FromHex;
using TlsStream = beast::ssl_stream<asio::ip::tcp::socket>;

struct Certificate {
  std::string certificate;  // Paths of PEM files.
  std::string key;
};

// One that signs itself, for 127.0.0.1.
Certificate MakeCertificate(const std::string& name) {
  const std::string folder = testing::TempDir() + "/coterie-tls-" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  const Certificate paths{.certificate = folder + "/" + name + ".pem",
                          .key = folder + "/" + name + ".key"};
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), X509_free);
  CHECK(key != nullptr && x509 != nullptr);
  CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1) == 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3'600);
  CHECK(X509_set_pubkey(x509.get(), key.get()) == 1);
  CHECK(X509_sign(x509.get(), key.get(), EVP_sha256()) > 0);
  std::FILE* file = std::fopen(paths.certificate.c_str(), "w");
  CHECK(file != nullptr && PEM_write_X509(file, x509.get()) == 1 && std::fclose(file) == 0);
  file = std::fopen(paths.key.c_str(), "w");
  CHECK(file != nullptr);
  CHECK(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  CHECK(std::fclose(file) == 0);
  return paths;
}

Options WithTls() {
  const Certificate made = MakeCertificate("node");
  return {.tls_certificate = made.certificate, .tls_key = made.key};
}

class TlsPort : public PortTest {
 protected:
  TlsPort() : PortTest(WithTls()) { client_.set_verify_mode(asio::ssl::verify_none); }

  TlsStream ConnectTls() {
    TlsStream stream(ConnectedSocket(), client_);
    error_ = Complete(io_, [&](auto handler) {
      stream.async_handshake(asio::ssl::stream_base::client, std::move(handler));
    });
    return stream;
  }
  std::unique_ptr<TlsEditor> OpenSecurely(const std::string& name) {
    auto editor = std::make_unique<TlsEditor>(io_, ConnectTls());
    EXPECT_TRUE(editor->Open(Host(), "/yjs/" + name + "?create=1&token=" + ana_.token))
        << editor->error.message();
    return editor;
  }

  asio::ssl::context client_{asio::ssl::context::tls_client};
  boost::system::error_code error_;
};

TEST_F(TlsPort, TwoEditorsWriteThroughIt) {
  const auto first = OpenSecurely("secret");
  const auto second = OpenSecurely("secret");
  first->Send(Ask());
  second->Send(Ask());
  ASSERT_TRUE(first->Await(Nothing()));
  ASSERT_TRUE(second->Await(Nothing()));

  // Of many records of TLS, in both directions at once.
  const std::string text(900'000, 'x');
  crdt::Lib0Writer update(FromHex("01 01 07 00 04 01 01 74"));
  update.VarBytes(text);
  update.U8(0);
  first->Send(Update(update.view()));

  EXPECT_TRUE(second->Await(Update(update.view())));
  EXPECT_TRUE(first->Await(Update(update.view())));
}

TEST_F(TlsPort, WhatIsNoTlsGetsNothing) {
  RawClient plain = Connect();
  ASSERT_TRUE(plain.Send("hello, is this a chat?\r\nNo.\r\n"));
  EXPECT_EQ(plain.Rest().find("HTTP/1.1"), std::string::npos);
  EXPECT_NE(plain.error, asio::error::timed_out);
}

// Of what it asks for it gets nothing.
TEST_F(TlsPort, WhoSpeaksHttpWithoutTlsIsToldSo) {
  RawClient plain = Connect();
  ASSERT_TRUE(plain.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  const std::string answer = plain.Rest();
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 400") << answer;
  EXPECT_NE(answer.find("https://"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << answer;
  EXPECT_EQ(plain.error, asio::error::eof) << plain.error.message();
}

TEST_F(TlsPort, OldVersionsAreRefused) {
  SSL_CTX_set_security_level(client_.native_handle(), 0);
  SSL_CTX_set_min_proto_version(client_.native_handle(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(client_.native_handle(), TLS1_1_VERSION);
  ConnectTls();
  EXPECT_TRUE(error_);
  SSL_CTX_set_max_proto_version(client_.native_handle(), TLS1_2_VERSION);
  ConnectTls();
  EXPECT_FALSE(error_) << error_.message();
}

TEST_F(TlsPort, AHandshakeThatDoesNotGoOnIsCutOff) {
  RawClient silent = Connect();
  ASSERT_TRUE(silent.Send("\x16\x03\x01"));  // Begins a record.
  EXPECT_TRUE(silent.HasEnded());
  // Nobody else has waited for it.
  EXPECT_EQ(OpenSecurely("after")->error, boost::system::error_code());
}

TEST_F(TlsPort, AKeyOfAnotherCertificateIsRefusedByName) {
  Options options{.listen = "127.0.0.1:0",
                  .tls_certificate = MakeCertificate("a").certificate,
                  .tls_key = MakeCertificate("b").key};
  const auto started = Gateway::Start(holder_.node->server().faces(), options);
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.status().message().find("--tls-key"), std::string::npos);
  options.tls_certificate = "/nowhere";
  EXPECT_NE(Gateway::Start(holder_.node->server().faces(), options)
                .status()
                .message()
                .find("--tls-cert /nowhere"),
            std::string::npos);
}

}  // namespace
}  // namespace coterie::gateway
