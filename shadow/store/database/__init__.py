"""Tables, and the differences between SQLite and PostgreSQL: dialects, bulk inserts, partitions, errors."""
