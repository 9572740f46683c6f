"""HTTP: validate, answer, capture, show."""
