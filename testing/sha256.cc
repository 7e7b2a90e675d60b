#include "testing/sha256.h"

#include <algorithm>
#include <bit>

#include "testing/hex.h"

namespace vhdx::testing {
namespace {

constexpr std::array<uint32_t, 64> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t BigEndianWord(std::span<const std::byte> bytes) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4; ++i) word = (word << 8) | static_cast<uint32_t>(bytes[i]);
  return word;
}

using Schedule = std::array<uint32_t, 64>;

Schedule Expand(std::span<const std::byte> block) {
  Schedule w{};
  for (size_t i = 0; i < 16; ++i) w[i] = BigEndianWord(block.subspan(4 * i));
  for (size_t i = 16; i < w.size(); ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  return w;
}

}  // namespace

void Sha256::Compress(std::span<const std::byte, kBlockSize> block) {
  const Schedule w = Expand(block);
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t i = 0; i < w.size(); ++i) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRoundConstants[i] + w[i];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<uint32_t, 8> sum = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < sum.size(); ++i) state_[i] += sum[i];
}

void Sha256::Update(std::span<const std::byte> bytes) {
  total_bytes_ += bytes.size();
  if (pending_bytes_ != 0) {
    const size_t taken = std::min(bytes.size(), kBlockSize - pending_bytes_);
    std::ranges::copy(bytes.first(taken), std::span(pending_).subspan(pending_bytes_).begin());
    pending_bytes_ += taken;
    bytes = bytes.subspan(taken);
    if (pending_bytes_ < kBlockSize) return;
    Compress(pending_);
    pending_bytes_ = 0;
  }
  for (; bytes.size() >= kBlockSize; bytes = bytes.subspan(kBlockSize)) {
    Compress(bytes.first<kBlockSize>());
  }
  std::ranges::copy(bytes, pending_.begin());
  pending_bytes_ = bytes.size();
}

std::string Sha256::Finish() {
  const uint64_t total_bits = total_bytes_ * 8;
  std::array<std::byte, kBlockSize> padding{std::byte{0x80}};
  const size_t to_length_field = pending_bytes_ < 56 ? 56 - pending_bytes_ : 120 - pending_bytes_;
  Update(std::span(padding).first(std::min(to_length_field, kBlockSize)));
  if (to_length_field > kBlockSize) {
    padding[0] = std::byte{0};
    Update(std::span(padding).first(to_length_field - kBlockSize));
  }
  std::array<std::byte, 8> length{};
  for (size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<std::byte>(total_bits >> (56 - 8 * i));
  }
  Update(length);
  std::array<std::byte, 32> digest{};
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return HexFromBytes(digest);
}

std::string Sha256Of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

std::string Sha256Of(std::string_view text) { return Sha256Of(std::as_bytes(std::span(text))); }

}  // namespace vhdx::testing
