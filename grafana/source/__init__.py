"""The dashboards as Python: the query and the text of each panel; `python -m grafana.source` writes the JSON.

A dashboard is one module (`service`, `live_and_shadow`, `shadow_pipeline`, `evidence`): read or change that.
The kinds of panels are in `panels`, colours in `style`, positions in `grid`, and variables, annotations and
links in `dashboard`.
"""
