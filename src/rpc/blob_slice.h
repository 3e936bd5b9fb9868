#pragma once

// A Blob as gRPC's bytes, without copying them: many streams send one encoded event. Any thread.

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "base/blob.h"

namespace coterie::rpc {

inline grpc::ByteBuffer ToByteBuffer(const Blob& blob) {
  auto* keeper = new Blob(blob);
  const std::string_view bytes = blob.view();
  // gRPC asks for a pointer to mutable bytes and does not write there.
  const grpc::Slice slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* kept) { delete static_cast<Blob*>(kept); }, keeper);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace coterie::rpc
