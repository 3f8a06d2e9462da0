"""Values in, text out: what people and tools read."""
