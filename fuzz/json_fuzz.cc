// JSON, and `any`: what is accepted can be read, and what is read comes to rest when it is written.

#include <string>

#include "base/check.h"
#include "crdt/js_value.h"
#include "crdt/json.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

void CheckAny(std::string_view input) {
  crdt::Lib0Reader reader(input);
  const std::string_view any = reader.Any();
  if (!reader.ok()) return CheckRefusal(reader.malformed(), input);
  crdt::Lib0Reader of_any(any);
  crdt::Lib0Writer writer;
  crdt::WriteAny(crdt::ReadAny(of_any), writer);
  CHECK(of_any.ok());
  crdt::Lib0Reader again(writer.view());
  crdt::Lib0Writer twice;
  crdt::WriteAny(crdt::ReadAny(again), twice);
  CHECK(again.ok());
  CHECK(twice.view() == writer.view());
}

// As a length-prefixed string it is checked to be UTF-8, which JSON then is.
void CheckText(std::string_view input) {
  crdt::Lib0Writer writer;
  writer.VarBytes(input);
  crdt::Lib0Reader reader(writer.view());
  const std::string_view text = reader.VarString();
  if (!reader.ok()) return;
  if (const auto malformed = crdt::CheckJson(text)) return CheckRefusal(malformed, text);
  std::string once;
  if (!crdt::WriteJson(crdt::ParseJson(text), once)) return;
  CHECK(!crdt::CheckJson(once));
  std::string twice;
  CHECK(crdt::WriteJson(crdt::ParseJson(once), twice));
  CHECK(twice == once);
}

}  // namespace

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  CheckAny(input);
  CheckText(input);
}

}  // namespace coterie::fuzz
