"""The door: argv and environ in, edges built, one verb called, exit code out."""
