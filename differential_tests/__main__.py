"""`python -m differential_tests`."""

import sys

COULD_NOT_RUN = 2

if __name__ == "__main__":
    try:
        from differential_tests.cli import main
    except ModuleNotFoundError as fault:
        sys.stderr.write(f"{fault}: install the extra: pip install '.[differential]' in a checkout\n")
        sys.exit(COULD_NOT_RUN)
    main()
