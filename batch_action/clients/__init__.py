"""One module per outside party: everything that leaves the process goes through here."""
