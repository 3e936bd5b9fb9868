#pragma once

// The methods of coterie.v1 that answer with a stream, over HTTP/1.1 as the Connect protocol has
// it: EventService.Subscribe, ClusterService.WatchCluster, BackupService.TakeBackup, and the tasks
// of AssistService. Errors, too, come as the stream's last envelope. A client that goes ends what
// it asked for. One shard's thread.

#include <memory>
#include <string>

#include "gateway/http.h"
#include "gateway/shard.h"
#include "rpc/server.h"

namespace coterie::gateway {

bool IsStreamPath(const rpc::Faces& faces, const std::string& path);

// What the answer's headers are is known before anything of it is.
HttpResponse StreamHead(const HttpRequest& request);
// Feeds a stream until that is closed: call Stop() then.
class StreamFeed {
 public:
  virtual ~StreamFeed() = default;
  virtual void Stop() = 0;
};
// Requires IsStreamPath(). `shard` is the stream's.
std::shared_ptr<StreamFeed> ServeStream(const rpc::Faces& faces, const HttpRequest& request,
                                        const std::shared_ptr<HttpStream>& stream, Shard& shard);

}  // namespace coterie::gateway
