"""Waking up: deliveries proven, batches watched, and the runs started that collect them."""
