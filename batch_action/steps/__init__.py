"""Pure and edge joined, one page each."""
