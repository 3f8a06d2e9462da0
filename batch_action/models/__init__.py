"""The nouns, one file per family; no behaviour that needs the world."""
