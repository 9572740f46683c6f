"""Settings of a comparison: tolerances, the TOML file that states them, and the paths they name."""
