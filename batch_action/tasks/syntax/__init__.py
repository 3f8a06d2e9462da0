"""What code says apart from its documentation, so that two texts of it can be compared."""
