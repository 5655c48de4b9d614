// The image of the test pack.
#pragma once

#include <cstdint>
#include <string_view>

namespace pyqemu::test {

std::string_view image_bytes();
// Where "enter", "helper", "direct" or "head" lies in it.
uint32_t image_place(std::string_view name);

}  // namespace pyqemu::test
