"""Which files are reviewed, in which parts, in which order, and why not the others."""
