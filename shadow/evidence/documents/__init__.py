"""Documents: what the pages and reports show of a stream, computed by the evidence cycle."""
