// BLAKE2b against digests that Python's hashlib gives: blake2b(message, digest_size=16, key=key), where byte
// i of the message is i & 255 and byte i of the key is 255 - i. Lengths around the block size.
#include <cstdio>
#include <string>
#include <vector>

#include "blake2b.hpp"
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

}  // namespace

int main() {
  vectors();
  return result();
}
