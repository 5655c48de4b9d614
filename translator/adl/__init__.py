"""The architecture description language: text in, checked model, decoder and IR out."""
