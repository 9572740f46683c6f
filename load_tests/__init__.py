"""Load as people make it, for Locust and for k6: one workload, two programs that send it, one report."""
