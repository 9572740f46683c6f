"""What differs between SQLite and PostgreSQL: tables, dialects, bulk inserts, partitions, errors."""
