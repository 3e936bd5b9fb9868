#pragma once

// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of every record on disk and every frame
// between nodes. Uses SSE 4.2 where the processor has it, a table elsewhere. Any thread.

#include <cstdint>
#include <string_view>

namespace coterie {

// The CRC of `prefix` ++ `bytes`, given crc = the CRC of `prefix` (0 for an empty one).
std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes);

inline std::uint32_t ComputeCrc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

}  // namespace coterie
