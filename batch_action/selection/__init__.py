"""Select the files to review, with their parts and order, and the reasons to skip others."""
