"""Statistics: sums that merge by addition, sequential tests, comparison of models, drift."""
