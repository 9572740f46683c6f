"""`umbra`, the command line: reads arguments, calls the engine, shows the result."""
