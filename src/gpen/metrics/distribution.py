"""FID and KID: distances between two sets of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import TrainingError
from ..types import Float64Array

#: Fewest images that have a covariance and an unbiased kernel mean.
LEAST = 2


def frechet_distance(features: ArrayLike, others: ArrayLike) -> float:
    """Fréchet distance of two Gaussians fitted to features (FID, Heusel et al., NeurIPS 2017).

    It is biased upwards for few images, so it compares only with figures of as many images.

    Args:
        features: (N, D), one row per image.
        others: (M, D).

    Returns:
        ‖μ₁ - μ₂‖² + Tr(C₁ + C₂ - 2 (C₁ C₂)^½), in squared units of the features; 0 for equal sets.

    Raises:
        TrainingError: A set has fewer than two images, or the lengths D differ.
    """
    one, other = _checked(features, others)
    covariance, other_covariance = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (one, other))
    # (C₁ C₂)^½ has the trace of (C₁^½ C₂ C₁^½)^½, which is symmetric.
    root = _root(covariance)
    eigenvalues = np.linalg.eigvalsh(root @ other_covariance @ root)
    shared = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = one.mean(axis=0) - other.mean(axis=0)
    distance = shift @ shift + np.trace(covariance) + np.trace(other_covariance) - 2 * shared
    return max(0.0, float(distance))


def kernel_distance(features: ArrayLike, others: ArrayLike) -> float:
    """Squared maximum mean discrepancy under a cubic kernel (KID, Bińkowski et al., ICLR 2018).

    Args:
        features: (N, D), one row per image.
        others: (M, D).

    Returns:
        The unbiased estimate with k(x, y) = (x·y / D + 1)³; about 0 for two sets of the same kind,
        and below where each image of one set is near its own counterpart in the other.

    Raises:
        TrainingError: A set has fewer than two images, or the lengths D differ.
    """
    one, other = _checked(features, others)

    def kernel(x: Float64Array, y: Float64Array) -> Float64Array:
        values: Float64Array = (x @ y.T / x.shape[1] + 1) ** 3
        return values

    def mean_of_pairs(x: Float64Array) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return mean_of_pairs(one) + mean_of_pairs(other) - 2 * float(kernel(one, other).mean())


def _root(matrix: Float64Array) -> Float64Array:
    """The symmetric square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    root: Float64Array = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root


def _checked(features: ArrayLike, others: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Both sets in f64.

    Raises:
        TrainingError: They cannot be compared.
    """
    one, other = (np.asarray(x, dtype=np.float64) for x in (features, others))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise TrainingError(
            f"features have shapes {one.shape} and {other.shape}; expected (N, D) and (M, D)"
        )
    if min(len(one), len(other)) < LEAST:
        raise TrainingError(
            f"sets of {len(one)} and {len(other)} images have no spread; "
            f"expected at least {LEAST} each: add images"
        )
    return one, other
