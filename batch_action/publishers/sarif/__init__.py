"""The destination `sarif`: GitHub code scanning, and the SARIF file."""
