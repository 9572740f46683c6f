"""Distances between two distributions over the same bins: a reference and a window.

All take arrays of counts, bins last: shape (..., bins) for each, and return shape (...). Bins that are empty
in both are not bins. Method: docs/statistics.md, "Drift"; error rates: "Windows without drift" there.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers: TypeAlias = NDArray[np.float64]

FALSE_ALARMS = 0.01
"""q: the share of windows in which any field may exceed its floor by chance."""


def psi(reference: ArrayLike, window: ArrayLike) -> Numbers:
    """Compute the population stability index: sum (q - p) ln(q / p), shares smoothed by Jeffreys' +0.5 a bin.

    0: alike. Grows as windows get smaller, without any drift: (1/N + 1/M) chi2 with B - 1 degrees of freedom
    (Yurdakul & Naranjo, J. Risk Model Validation; Potgieter et al., arXiv 2307.11878). Hence `psi_floor`. 0.1
    and 0.25 are conventions of credit scoring, not science. Blind to where in a bin values lie.

    >>> round(float(psi([50, 50], [90, 10])), 4)
    0.8531
    """
    p, q, occupied = _smoothed(reference, window)
    return np.asarray(np.where(occupied, (q - p) * np.log(q / p), 0.0).sum(axis=-1))


def psi_floor(reference: ArrayLike, window: ArrayLike, fields: int) -> Numbers:
    """Return the level that the PSI of any of so many fields exceeds by chance in 1 % of windows.

    (1/N + 1/M) chi2.ppf(1 - q/F, B - 1): N, M houses in B bins, q = 0.01, F fields; source as `psi`.
    Measured with 20 bins: beyond the 95 % point of the null law are 4.4 to 5.0 % of windows of 500 houses or
    more without drift, 3.3 % of 100. Infinite for a window of no house.

    >>> round(float(psi_floor([125] * 20, [25] * 20, fields=79)), 4)  # N = 2,500, M = 500
    0.1202
    """
    # Imported here: a sixth of all import time of the API, which never calls this and has to start fast.
    from scipy.special import chdtri  # type: ignore[import-untyped, unused-ignore] # noqa: PLC0415

    r, w = _counted(reference, window)
    freedom = np.maximum(((r + w) > 0).sum(axis=-1) - 1, 1)
    with np.errstate(divide="ignore"):
        noise = 1 / r.sum(axis=-1) + 1 / w.sum(axis=-1)
    return np.asarray(noise * chdtri(freedom, FALSE_ALARMS / fields))


def js_distance(reference: ArrayLike, window: ArrayLike) -> Numbers:
    """Compute the Jensen-Shannon distance, 0 to 1: the root of the divergence to base 2, smoothed as `psi`.

    Lin, IEEE Trans. Inf. Theory 1991; Endres & Schindelin 2003. 0.1 is a common alarm; like the PSI it
    grows in small windows, and it has no floor of its own: it describes.

    >>> round(float(js_distance([50, 50], [90, 10])), 4)
    0.3781
    """
    p, q, occupied = _smoothed(reference, window)
    middle = (p + q) / 2
    bits = np.where(occupied, p * np.log2(p / middle) + q * np.log2(q / middle), 0.0)
    return np.asarray(np.sqrt(np.maximum(bits.sum(axis=-1) / 2, 0.0)))


def ks(reference: ArrayLike, window: ArrayLike) -> Numbers:
    """Compute Kolmogorov-Smirnov: the largest difference of the distribution functions at edges of bins.

    A lower limit of that of the values, close to it with 100 bins. No p-value on purpose: beyond some 1,000
    houses it calls a shift of 0.02 standard deviations significant. NaN if either has no house.

    >>> round(float(ks([50, 50], [90, 10])), 4)
    0.4
    """
    return np.asarray(np.abs(_difference(reference, window)).max(axis=-1))


def w1(reference: ArrayLike, window: ArrayLike, points: ArrayLike) -> Numbers:
    """Compute Wasserstein-1: the mean move of values, in their unit; `points` (bins + 1,) bound the bins.

    The area between the distribution functions, taken as straight within a bin. What is beyond the outermost
    points counts as there: a lower limit when values leave the range of the reference. NaN as `ks`.

    >>> round(float(w1([10, 0, 0], [0, 0, 10], [0.0, 1.0, 2.0, 3.0])), 4)
    2.0
    """
    apart = _difference(reference, window)
    apart = np.concatenate([np.zeros_like(apart[..., :1]), apart], axis=-1)
    left, right = np.abs(apart[..., :-1]), np.abs(apart[..., 1:])
    combined = np.maximum(left + right, np.finfo(np.float64).tiny)
    crossing = apart[..., :-1] * apart[..., 1:] < 0
    heights = np.where(crossing, (left * left + right * right) / (2 * combined), (left + right) / 2)
    return np.asarray((heights * np.diff(np.asarray(points, dtype=np.float64))).sum(axis=-1))


def _counted(reference: ArrayLike, window: ArrayLike) -> tuple[Numbers, Numbers]:
    return np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)


def _smoothed(reference: ArrayLike, window: ArrayLike) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Return shares (r + 0.5) / (N + 0.5 B) of both, and which bins are occupied."""
    r, w = _counted(reference, window)
    occupied = (r + w) > 0
    half = occupied.sum(axis=-1, keepdims=True) / 2
    p = (r + 0.5) / (r.sum(axis=-1, keepdims=True) + half)
    q = (w + 0.5) / (w.sum(axis=-1, keepdims=True) + half)
    return p, q, occupied


def _difference(reference: ArrayLike, window: ArrayLike) -> Numbers:
    """Subtract the distribution functions at the upper edge of each bin."""
    r, w = (np.cumsum(counts, axis=-1) for counts in _counted(reference, window))
    with np.errstate(invalid="ignore"):
        return np.asarray(w / w[..., -1:] - r / r[..., -1:])
