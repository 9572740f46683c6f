"""The demo: invented houses, and the traffic about them that the API gets."""
