"""`umbra`, the command line: reads arguments, calls the engine, shows what came of it."""
