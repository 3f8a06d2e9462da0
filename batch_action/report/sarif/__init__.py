"""SARIF 2.1.0: findings as code scanning takes them, and read back as memory."""
