"""What is compared: a bare Flask route, Umbra, and the classic way to score in shadow."""
