// What coterie-node is told on its command line is checked before anything is opened, and what
// leaves a node open to strangers is said.

#include "bin/node_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace coterie::bin {
namespace {

NodeOptions Good() {
  NodeOptions options;
  options.id = 1;
  options.cluster_id = 7;
  options.data_path = "/data";
  options.listen = options.advertise = "127.0.0.1:50053";
  options.peer_listen = options.peer_advertise = "127.0.0.1:50153";
  options.http_listen = "127.0.0.1:8080";
  options.joins = true;
  return options;
}

std::string Refusal(const NodeOptions& options) {
  const absl::Status status = CheckOptions(options);
  return status.ok() ? std::string() : std::string(status.message());
}

TEST(NodeOptions, GoodOnesAreTaken) { EXPECT_EQ(Refusal(Good()), ""); }

// Before the data folder is anybody's: with what is wrong it would be another founding.
TEST(NodeOptions, AFounderIsGivenOnce) {
  NodeOptions options = Good();
  options.joins = false;
  const raft::Member self = {
      .id = NodeId(1), .address = options.peer_advertise, .client_address = options.advertise};
  raft::Member other = self;
  other.id = NodeId(2);
  options.founders = {self, other};
  EXPECT_EQ(Refusal(options), "");
  options.founders = {self, other, other};
  EXPECT_NE(Refusal(options).find("--founder 2 is there twice"), std::string::npos);
}

// What a browser sends as Origin, letter for letter, or it never matches.
TEST(NodeOptions, AnOriginIsASchemeAHostAndPerhapsAPort) {
  for (const std::string good :
       {"*", "https://a.example", "https://a.example:8080", "http://localhost:*",
        "http://192.168.1.5:3000", "http://[::1]:8080", "https://xn--bcher-kva.example"}) {
    NodeOptions options = Good();
    options.http_origins = {good};
    EXPECT_EQ(Refusal(options), "") << good;
  }
  for (const std::string bad : {"",
                                "foo",
                                "a.example:8080",
                                "https://a.example:8080/",
                                "https://a.example/page",
                                "https://",
                                "ftp://a.example",
                                "https://a.example:",
                                "https://a.example:0",
                                "https://a.example:70000",
                                "https://a.example:x",
                                "https://*.example",
                                "https://*:8080",
                                "https://a b.example",
                                "https://a.example, https://b.example",
                                "https://mia@a.example",
                                "http://::1",
                                "https://a.example?x",
                                "https://a.example#x",
                                "https://[::1:80",
                                "https://:8080"}) {
    NodeOptions options = Good();
    options.http_origins = {"https://a.example", bad};
    const std::string refusal = Refusal(options);
    EXPECT_EQ(refusal.find("--http-origin " + bad + ": not "), 0u) << bad << ": " << refusal;
    EXPECT_NE(refusal.find("https://a.example:8080"), std::string::npos) << refusal;
  }
}

TEST(NodeOptions, AHostIsANameWithoutAScheme) {
  NodeOptions options = Good();
  options.http_hosts = {"a.example", "a.example:8080", "[::1]"};
  EXPECT_EQ(Refusal(options), "");
  for (const std::string bad : {"", "https://a.example", "a.example/", "a b"}) {
    options.http_hosts = {bad};
    EXPECT_EQ(Refusal(options).find("--http-host " + bad + ": not "), 0u) << Refusal(options);
  }
}

TEST(NodeOptions, ALanguageIsOneOfADictionary) {
  NodeOptions options = Good();
  options.language = "xx_YY";  // As a default, where there is no dictionary at all.
  EXPECT_EQ(Refusal(options), "");
  options.is_language_asked_for = true;
  EXPECT_EQ(Refusal(options).find("--spelling xx_YY: "), 0u) << Refusal(options);
  EXPECT_NE(Refusal(options).find("/usr/share/hunspell"), std::string::npos) << Refusal(options);
}

// Nobody can go to an address that means all of this machine's.
TEST(NodeOptions, WhatIsAdvertisedIsAnAddress) {
  for (const std::string nowhere : {"0.0.0.0:50053", "[::]:50053"}) {
    NodeOptions options = Good();
    options.listen = nowhere;
    EXPECT_EQ(Refusal(options), "") << "to listen there is good";
    options.advertise = nowhere;
    EXPECT_EQ(Refusal(options).find("--advertise"), 0u) << Refusal(options);
    options = Good();
    options.peer_advertise = nowhere;
    EXPECT_EQ(Refusal(options).find("--peer-advertise"), 0u) << Refusal(options);
  }
}

TEST(NodeOptions, WhatLeavesTheNodeOpenIsSaid) {
  const auto warnings = [](const NodeOptions& options) {
    std::string all;
    for (const std::string& warning : WarningsOf(options)) all += warning + "\n";
    return all;
  };
  NodeOptions options = Good();
  EXPECT_EQ(warnings(options), "") << "on this machine alone";
  options.listen = "0.0.0.0:50053";
  EXPECT_NE(warnings(options).find("--secure"), std::string::npos);
  EXPECT_NE(warnings(options).find("--tls-cert"), std::string::npos);
  EXPECT_EQ(warnings(options).find("--peer-tls-cert"), std::string::npos);
  options.is_secure = true;
  options.tls.certificate = "a.pem";
  EXPECT_EQ(warnings(options), "");
  options.peer_listen = "10.0.0.1:50153";
  EXPECT_NE(warnings(options).find("--peer-tls-cert"), std::string::npos);
  options = Good();
  options.http_listen = "[::]:8080";
  EXPECT_NE(warnings(options).find("[::]:8080"), std::string::npos);
  EXPECT_NE(warnings(options).find("--secure"), std::string::npos);
}

}  // namespace
}  // namespace coterie::bin
