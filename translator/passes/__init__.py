"""Passes over the IR, one a file; a frozen dataclass (fields: options) with `run(function) -> bool`."""
