"""The dashboards as Python: what each panel asks and says; `python -m grafana.source` writes the JSON.

A dashboard is one module (`service`, `live_and_shadow`, `shadow_pipeline`, `evidence`): read or change that.
What a panel can be is in `panels`, how it looks in `style`, where it stands in `grid`, and what surrounds
it (variables, annotations, links) in `dashboard`.
"""
