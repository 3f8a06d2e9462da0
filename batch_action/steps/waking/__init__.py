"""Waking up: deliveries proven, batches watched, and the workflow runs started that collect them."""
