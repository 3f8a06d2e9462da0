"""The one door that listens. Needs the extra `server`, so only `serve` imports it."""
