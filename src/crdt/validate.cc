#include "crdt/validate.h"

#include "crdt/id.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

std::uint64_t SkimDeleteSet(Lib0Reader& reader) {
  const auto count = [&reader] {
    return reader.VarUintUpTo(reader.remaining_bytes() / 2, "a count is larger than what follows");
  };
  std::uint64_t total = 0;
  const std::uint64_t clients = count();
  for (std::uint64_t i = 0; i < clients && reader.ok(); ++i) {
    static_cast<void>(reader.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
    const std::uint64_t ranges = count();
    for (std::uint64_t k = 0; k < ranges && reader.ok(); ++k) {
      const std::uint64_t begin = reader.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1");
      const std::uint64_t length =
          reader.VarUintUpTo(kClockMax - begin, "a length leads past the clock 2^32 - 1");
      if (length == 0) reader.Fail("a deleted range is empty");
    }
    total += ranges;
  }
  return total;
}

Malformed ValidateUpdate(std::string_view update, UpdateCounts* counts) {
  UpdateReader reader(update);
  StructSpan span;
  UpdateCounts found;
  StructRun run;
  while (reader.NextSpan(span)) {
    ++found.structs;
    found.groups += reader.is_first_of_client() ? 1 : 0;
    if (reader.NextRun({}, run)) found.structs += run.structs;
  }
  if (!reader.ok()) return reader.malformed();
  Lib0Reader& rest = reader.rest();
  found.deleted_ranges = SkimDeleteSet(rest);
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  if (rest.ok() && counts != nullptr) *counts = found;
  return rest.malformed();
}

}  // namespace coterie::crdt
