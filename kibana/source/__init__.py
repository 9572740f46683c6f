"""The saved objects of Kibana as Python; `python -m kibana.source` writes kibana/umbra.ndjson.

A dashboard is one module (`api_logs`, `model_inputs`, `live_and_shadow`), the saved searches are in `searches`:
read or change those. What a chart can be is in `lens`, what an object looks like when exported in `saved`.
"""
