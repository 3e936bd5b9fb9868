#include "crdt/snapshot.h"

#include "crdt/update_v2.h"

namespace coterie::crdt {

std::string EncodeSnapshot(const Snapshot& snapshot, WireFormat format) {
  Lib0Writer writer;
  if (format == WireFormat::kV1) {
    snapshot.deleted.EncodeTo(writer);
  } else {
    EncodeDeleteSetV2(snapshot.deleted, writer);
  }
  snapshot.state.EncodeTo(writer);
  return writer.Take();
}

Malformed DecodeSnapshot(std::string_view bytes, WireFormat format, Snapshot& snapshot) {
  Lib0Reader reader(bytes);
  Snapshot decoded;
  decoded.deleted =
      format == WireFormat::kV1 ? DeleteSet::Decode(reader) : DecodeDeleteSetV2(reader);
  decoded.state = StateVector::Decode(reader);
  if (reader.ok() && !reader.AtEnd()) reader.Fail("bytes follow the state vector");
  if (reader.ok()) snapshot = std::move(decoded);
  return reader.malformed();
}

}  // namespace coterie::crdt
