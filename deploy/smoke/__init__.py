"""What `deploy/check_stack.py` looks at, one module per product. Standard library only."""
