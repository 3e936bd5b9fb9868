#pragma once

// Yjs's other format of an update, V2, in which the fields of the structs stand in columns: for
// import, export, and storage of others. Nobody sends it over the common protocols. Turned into V1
// and back byte for byte as Yjs's convertUpdateFormat does, values re-written as JavaScript would.
// Pure functions and values. Source: yjs 13.6, src/utils/UpdateEncoder.js and UpdateDecoder.js.
//
//   update  := 0:varUint column*9 rest       (each column with its length in front, not the rest)
//   columns := key clocks, clients, left clocks, right clocks, infos, strings, parent infos,
//              type kinds, lengths
//   rest    := groups:varUint (structs:varUint clock:varUint value*)* delete set (delta coded)

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "crdt/delete_set.h"
#include "crdt/lib0.h"

namespace coterie::crdt {

struct Transcoded {
  std::string update;  // Empty if malformed.
  Malformed malformed;
};

// What becomes of the bits that say nothing (CanonicalInfo): convertUpdateFormat clears them; a
// document that is encoded has them in both formats.
enum class IdleBits : std::uint8_t { kClear, kKeep };

// Requires nothing: malformed updates are told as ValidateUpdate() does.
Transcoded TranscodeToV2(std::string_view v1, IdleBits idle_bits = IdleBits::kClear);

// As strict as V1 is read. A few bytes of V2 can say millions of structs: fails when V1 would take
// more than `size_bytes_max`. The offset is that in the V2 bytes, in the column that is wrong.
Transcoded TranscodeToV1(std::string_view v2, std::size_t size_bytes_max);

// A delete set in the coding of V2: clocks as distances to the last range's end, lengths less one.
void EncodeDeleteSetV2(const DeleteSet& deleted, Lib0Writer& writer);
// On malformed bytes the reader has failed.
DeleteSet DecodeDeleteSetV2(Lib0Reader& reader);

}  // namespace coterie::crdt
