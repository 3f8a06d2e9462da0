"""One module per destination: what it remembers, and how it is told."""
