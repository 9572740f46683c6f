"""The journal: checksummed files on disk, and the recorder that writes captures into them. No SQL."""
