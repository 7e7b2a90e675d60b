#include "testing/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/hex.h"

namespace vhdx::testing {
namespace {

// FIPS 180-4's examples, and the empty message.
TEST(Sha256, ExamplesOfTheStandardHold) {
  EXPECT_EQ(Sha256Of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmn"
                     "opqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(Sha256Of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Every length around the block boundaries, where the padding changes its shape.
TEST(Sha256, PiecesGiveWhatTheWholeGives) {
  for (size_t length = 0; length < 200; ++length) {
    const std::vector<std::byte> bytes(length, std::byte{0x5A});
    for (const size_t piece : {1U, 3U, 63U, 64U, 65U}) {
      Sha256 hash;
      for (size_t at = 0; at < length; at += piece) {
        hash.Update(std::span(bytes).subspan(at, std::min<size_t>(piece, length - at)));
      }
      EXPECT_EQ(hash.Finish(), Sha256Of(bytes)) << length << " in pieces of " << piece;
    }
  }
}

TEST(Sha256, LengthsAroundTheBlockDifferAsElsewhere) {
  // From another implementation (Python's hashlib): 'a' repeated.
  EXPECT_EQ(Sha256Of(std::string(55, 'a')),
            "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(Sha256Of(std::string(56, 'a')),
            "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(Sha256Of(std::string(63, 'a')),
            "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
  EXPECT_EQ(Sha256Of(std::string(64, 'a')),
            "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(Hex, TextGoesThereAndBack) {
  const std::vector<std::byte> bytes = BytesFromHex("00 fF\n7e01");
  EXPECT_EQ(HexFromBytes(bytes), "00ff7e01");
  EXPECT_EQ(BytesFromText("vh"), BytesFromHex("76 68"));
}

}  // namespace
}  // namespace vhdx::testing
