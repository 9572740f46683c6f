"""What Umbra costs, measured: scripts with a table, run by hand, never a test."""
