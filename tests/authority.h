#pragma once

// An authority of a test's own, in a temporary folder, and the certificate of 127.0.0.1 that
// scripts/certificates.sh makes with it. One owner.

#include <string>

namespace coterie::tests {

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  bool made() const { return made_; }
  std::string ca() const { return folder_ + "/ca.pem"; }
  std::string certificate() const { return folder_ + "/127.0.0.1.pem"; }
  std::string key() const { return folder_ + "/127.0.0.1.key"; }

 private:
  std::string folder_;
  bool made_ = false;
};

// What is in the file; "" if it cannot be read.
std::string ReadWhole(const std::string& path);

}  // namespace coterie::tests
