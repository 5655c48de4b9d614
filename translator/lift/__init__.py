"""From guest code to regions: SSA functions of many instructions over their control flow."""
