"""Ingest: move the journal of one data directory into the store."""
