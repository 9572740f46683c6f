"""Evidence: keeps sums, drift and verdict of every candidate up to date, and logs what changed."""
