"""What measures: metrics and logs. Numbers in, numbers out; knows nothing of models, HTTP or databases."""
