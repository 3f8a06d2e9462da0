"""The command line: arguments and environment in, one command run, exit code out."""
