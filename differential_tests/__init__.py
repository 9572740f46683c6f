"""Ask two builds or two models the same questions, and compare their answers."""
