"""`python -m differential_tests`."""

from differential_tests.cli import main

if __name__ == "__main__":
    main()
