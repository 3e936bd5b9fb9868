#pragma once

// The web app: a folder's files, read once when the node starts, so that a request is a look-up and
// no path of a client's ever reaches the file system. Constant after loading; any thread.

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "gateway/http.h"

namespace coterie::gateway {

class StaticFiles {
 public:
  static constexpr std::size_t kBytesMax = 64 << 20;
  static constexpr std::size_t kFilesMax = 4'096;

  // None at all.
  StaticFiles() = default;
  // kNotFound, kResourceExhausted. `origins`: of other nodes, which pages may connect to as well;
  // they are served as /nodes.json, {"origins":["http://HOST:PORT",...]}.
  // `control`: the address at which the launcher of a local cluster stops and starts its nodes, for
  // pages to use: "control" in the same file; empty = there is none.
  static absl::StatusOr<StaticFiles> Load(const std::string& folder,
                                          const std::vector<std::string>& origins,
                                          const std::string& control);

  bool empty() const { return files_.empty(); }
  // A path without a file that looks like a page gets the app's, index.html.
  HttpResponse Serve(const HttpRequest& request) const;

 private:
  struct File {
    Blob bytes;
    Blob brotli;  // Of "file.br" beside it, if there is one.
    Blob gzip;    // Of "file.gz". Browsers take brotli over HTTPS and from localhost alone.
    std::string type;
    std::string tag;            // Without quotes, and of the bytes as they are.
    bool is_immutable = false;  // Its name changes with its content.
  };
  const File* Find(const std::string& path) const;

  std::map<std::string, File> files_;  // By path, "/assets/app.js".
  std::string policy_;                 // Content-Security-Policy.
};

}  // namespace coterie::gateway
