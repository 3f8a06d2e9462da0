"""Which files are reviewed, in which parts, in which order, and why the others are not."""
