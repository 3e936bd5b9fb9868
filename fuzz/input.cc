#include "fuzz/input.h"

#include <sanitizer/allocator_interface.h>

#include <algorithm>

#include "base/check.h"

namespace coterie::fuzz {
namespace {

constexpr std::size_t kGrowthMax = 64;
// A document's first blocks, whatever the input.
constexpr std::size_t kGrowthAllowance = std::size_t{1} << 20;

// Of one thread: libFuzzer's.
std::size_t live_bytes = 0;
std::size_t peak_bytes = 0;

void OnAllocation(const volatile void*, std::size_t size) {
  live_bytes += size;
  peak_bytes = std::max(peak_bytes, live_bytes);
}

void OnRelease(const volatile void* memory) {
  if (memory == nullptr) return;
  live_bytes -= __sanitizer_get_allocated_size(const_cast<const void*>(memory));
}

}  // namespace

GrowthLimit::GrowthLimit(std::string_view input)
    : before_bytes_(live_bytes), allowed_bytes_(input.size() * kGrowthMax + kGrowthAllowance) {
  peak_bytes = live_bytes;
}

GrowthLimit::~GrowthLimit() { CHECK(peak_bytes - before_bytes_ <= allowed_bytes_); }

std::pair<std::string_view, std::string_view> TwoOf(std::string_view input) {
  if (input.size() < 2) return {};
  const std::size_t said =
      static_cast<unsigned char>(input[0]) | std::size_t{static_cast<unsigned char>(input[1])} << 8;
  const std::string_view both = input.substr(2);
  const std::size_t first = std::min(said, both.size());
  return {both.substr(0, first), both.substr(first)};
}

void CheckRefusal(const crdt::Malformed& malformed, std::string_view input) {
  CHECK(!malformed.reason.empty());
  CHECK(malformed.offset_bytes <= input.size());
}

}  // namespace coterie::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  CHECK(__sanitizer_install_malloc_and_free_hooks(coterie::fuzz::OnAllocation,
                                                  coterie::fuzz::OnRelease) != 0);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  coterie::fuzz::Run(input);
  return 0;
}
