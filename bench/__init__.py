"""The project's benchmark: `python -m bench` (measuring.md). Speed is a ratio against a peer in the same run."""
