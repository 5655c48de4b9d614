// BLAKE2b and its tree against digests that Python's hashlib gives: blake2b(message, digest_size=16,
// key=key), and hostgen.mac; where byte i of the message is i & 255 and byte i of the key is 255 - i. Lengths
// around the sizes of blocks and rows.
#include <cstdio>
#include <string>
#include <vector>

#include "blake2b_tree.hpp"
#include "check.hpp"

using namespace pyqemu;

namespace {

struct Vector {
  size_t bytes;
  const char *plain, *keyed;  // key of 32 bytes
};

constexpr Vector kVectors[] = {
    {0, "cae66941d9efbd404e4d88758ea67670", "058ed7e253defbc0e18a6c4243e2d635"},
    {1, "7025e075d5e2f6cde3cc051a31f07660", "50c47176b85c780ad049322a055d26c0"},
    {64, "59059895958b8a56277edb046df67166", "6d65bede216d9231029a8b785bbc7d7e"},
    {127, "28b1296c7d4807883de6ee4ec04dcc0a", "77d7a38c049e3f03ddb0e03201feb6df"},
    {128, "a74787004ef589e31149183900d0294a", "1e4c732a832dd2947bb010efbc21c96f"},
    {129, "aaf1b0371f6d4ee49ee4fb5ddd9c49ef", "8175e1ba275a7d21d8397fec816cf2a2"},
    {255, "192657d8c2d07da4ee7beb8c6f9951f4", "0e6fcd6bc50c81a81b3584af08e81683"},
    {256, "c2472c0ac37a8dbdb25f05ada0d82643", "1ae0e4798c68e152bf5f464df26e0834"},
    {257, "5b9ad79f1309b3599ac3871688f3812c", "4f41079b0b3eef9a26d636ff864d345f"},
    {1000, "978a3f8b45508a42fe7f0f99caf2c423", "3ab7bc8897c59e9a059c7afb93124fa7"},
    {5000, "34964cdc64d29b69f9063c24806d8523", "c9c308c0c34287892f45db7e044ca5ff"},
};

struct TreeVector {
  size_t bytes;
  const char *digest;
};

constexpr TreeVector kTreeVectors[] = {
    {0, "17b5f8848f8b2f93aa6e9292b1fa494a"},    {1, "e56c49ada3d4e9cfe2610966f9e474ba"},
    {127, "cbd3f16ebb9b2131df7a30260f296dfc"},  {128, "aaadcdc71fc1124c0c6b7bf0eca6df22"},
    {129, "73a0d69bb7ca1ce4b2d7f2bc0ea292f0"},  {257, "8e7760a5816f230b7490a11656ac8d09"},
    {512, "13a667b86ac4fb6686dc3b86cd6f5703"},  {513, "6755894f155581b30082bdb6e68c768d"},
    {1000, "edd7a3c70e998e6ed146cbfac9b1264a"}, {1024, "21c802afb0008bb8aba0780d020be2dd"},
    {5000, "c8af34b0603fda0945080253657ab2b9"},
};

std::string hex(const Blake2b::Digest &digest) {
  std::string text;
  for (uint8_t byte : digest) {
    char two[3];
    snprintf(two, sizeof two, "%02x", byte);
    text += two;
  }
  return text;
}

void vectors() {
  std::vector<uint8_t> key(32);
  for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<uint8_t>(255 - i);
  for (const Vector &vector : kVectors) {
    std::vector<uint8_t> message(vector.bytes);
    for (size_t i = 0; i < message.size(); i++) message[i] = static_cast<uint8_t>(i);
    CHECK(hex(Blake2b().add(message.data(), message.size()).finish()) == vector.plain);
    CHECK(hex(Blake2b(key).add(message.data(), message.size()).finish()) == vector.keyed);
    Blake2b pieces(key);
    for (size_t at = 0, piece = 1; at < message.size(); at += piece, piece = piece * 3 + 1)
      pieces.add(message.data() + at, piece < message.size() - at ? piece : message.size() - at);
    CHECK(hex(pieces.finish()) == vector.keyed);
  }
}

// In one piece and in several, with vectors and without.
void tree_vectors() {
  std::vector<uint8_t> key(32);
  for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<uint8_t>(255 - i);
  for (const TreeVector &vector : kTreeVectors) {
    std::vector<uint8_t> message(vector.bytes);
    for (size_t i = 0; i < message.size(); i++) message[i] = static_cast<uint8_t>(i);
    for (bool wide : {false, host::has_wide_vectors()}) {
      CHECK(hex(Blake2bTree(key, wide).add(message.data(), message.size()).finish()) == vector.digest);
      Blake2bTree pieces(key, wide);
      for (size_t at = 0, piece = 1; at < message.size(); at += piece, piece = piece * 3 + 1)
        pieces.add(message.data() + at, piece < message.size() - at ? piece : message.size() - at);
      CHECK(hex(pieces.finish()) == vector.digest);
    }
  }
}

}  // namespace

int main() {
  vectors();
  tree_vectors();
  return result();
}
