#pragma once

// Latencies in log-linear buckets, as HdrHistogram keeps them: 128 buckets to each power of two, so
// that any quantile is right to 1 %. Not thread safe: one per thread, merged at the end.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace coterie::bench {

class Histogram {
 public:
  void Add(std::uint64_t nanoseconds) {
    ++buckets_[BucketOf(nanoseconds)];
    ++count_;
    if (nanoseconds > max_) max_ = nanoseconds;
  }

  void Merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    if (other.max_ > max_) max_ = other.max_;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }

  // The smallest bucket's upper end that at least `per_mille` of 1000 values do not exceed.
  std::uint64_t Quantile(std::uint64_t per_mille) const {
    const std::uint64_t wanted = (count_ * per_mille + 999) / 1000;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen >= wanted && seen > 0) return UpperEnd(i) < max_ ? UpperEnd(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr int kSubBits = 7;
  static constexpr std::size_t kSubBuckets = std::size_t{1} << kSubBits;
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) * kSubBuckets;

  // Below 2^7 each value has its bucket; above, the top bit and the next 7 choose it.
  static std::size_t BucketOf(std::uint64_t value) {
    if (value < kSubBuckets) return value;
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return (static_cast<std::size_t>(shift) + 1) * kSubBuckets + ((value >> shift) - kSubBuckets);
  }
  static std::uint64_t UpperEnd(std::size_t bucket) {
    if (bucket < kSubBuckets) return bucket;
    const std::size_t shift = bucket / kSubBuckets - 1;
    return ((bucket % kSubBuckets + kSubBuckets + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace coterie::bench
