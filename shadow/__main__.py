"""`python -m shadow` is `umbra`."""

from shadow.start import umbra

if __name__ == "__main__":
    umbra()
