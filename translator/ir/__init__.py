"""The SSA IR: operation table, builder, verifier, printer, parser and interpreter."""
