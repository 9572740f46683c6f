"""The engine: every answered house is journalled, stored, and scored by each candidate in the shadow."""
