#pragma once

// A user's shell in a folder of its own, in which `coterie` is the program and speaks to a cluster.
// One owner; the folder goes with it.

#include <string>
#include <vector>

namespace coterie::tests {

class Shell {
 public:
  // `program`: the path of `coterie`.
  explicit Shell(std::string program);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  // Whom the program asks from now on.
  void SetNodes(const std::vector<std::string>& addresses);
  // The exit code of a script; what it wrote is in output().
  int Run(const std::string& script);
  const std::string& output() const { return output_; }
  bool Says(const std::string& what) const { return output_.find(what) != std::string::npos; }
  const std::string& folder() const { return folder_; }

 private:
  const std::string program_;
  std::string folder_;
  std::string nodes_;
  std::string output_;
};

}  // namespace coterie::tests
