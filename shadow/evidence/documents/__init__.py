"""Documents about a stream: computed in the evidence cycle, read by pages, reports and gauges."""
