"""The demo: a market of invented houses, and the traffic that it sends to the API."""
