// CPU models by name: those of the pack, with features switched, and names that list their features.
//
//   MODEL[,FEATURE=on|off|true|false|,+FEATURE|,-FEATURE]…
//
// MODEL is a CPU model of the pack, or begins as one with a separator and goes on with names of features, as
// in isa32abc_xyz. translator/cpu_models.py reads the same text.
#pragma once

#include <string>
#include <string_view>

#include "pack_file.hpp"

namespace pyqemu {

struct CpuModel {
  const CpuRec *record = nullptr;  // null: the pack has no models
  uint64_t features = 0;
};

// The model that `text` names ("": the first). False, and *error says what would be right.
bool find_cpu_model(const PackTables &tables, std::string_view text, CpuModel *model, std::string *error);

// What registers of a new CPU start with: what the model says, and what its features add.
void reset_registers(const PackTables &tables, const CpuModel &model, CpuHeader *cpu);

}  // namespace pyqemu
