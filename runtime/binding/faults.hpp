// Turns host faults of guest code into returns of `run`, so that a test sees them and lives on.
#pragma once

#include <cstdint>

#include "engine.hpp"

namespace pyqemu::binding {

// Runs the CPU. *signal and *address tell of a fault at cpu->pc (the result is then kInterrupted), else
// *signal is 0.
StopKind run_guarded(Engine &engine, CpuHeader *cpu, int *signal, uint64_t *address);

}  // namespace pyqemu::binding
