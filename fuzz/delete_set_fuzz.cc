// Delete sets, in both codings: what is read is what is written again.

#include "base/check.h"
#include "crdt/delete_set.h"
#include "crdt/update_v2.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

void CheckReadAgain(const crdt::DeleteSet& deleted) {
  const std::string bytes = deleted.Encode();
  crdt::Lib0Reader reader(bytes);
  CHECK(crdt::DeleteSet::Decode(reader) == deleted);
  crdt::Lib0Writer writer;
  crdt::EncodeDeleteSetV2(deleted, writer);
  crdt::Lib0Reader columns(writer.view());
  CHECK(crdt::DecodeDeleteSetV2(columns) == deleted);
  CHECK(columns.ok());
}

}  // namespace

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  crdt::Lib0Reader reader(input);
  const crdt::DeleteSet deleted = crdt::DeleteSet::Decode(reader);
  if (reader.ok()) {
    CheckReadAgain(deleted);
  } else {
    CheckRefusal(reader.malformed(), input);
  }
  crdt::Lib0Reader columns(input);
  const crdt::DeleteSet of_v2 = crdt::DecodeDeleteSetV2(columns);
  if (columns.ok()) {
    CheckReadAgain(of_v2);
  } else {
    CheckRefusal(columns.malformed(), input);
  }
}

}  // namespace coterie::fuzz
