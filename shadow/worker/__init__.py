"""The worker: supervises ingest, evidence and a scoring process for each candidate."""
