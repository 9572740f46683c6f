"""The source: one data directory as the store knows it, and what it may be used for."""
