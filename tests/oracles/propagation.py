"""Dense supervision propagation with the affinity written out as a matrix: numpy, float64 (arXiv 2107.11267)."""

from __future__ import annotations

import numpy as np

EPS = 1e-5


def layer_norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + EPS)


def layer_norm_backward(x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    normed, scale = layer_norm(x), np.sqrt(x.var(1, keepdims=True) + EPS)
    inner = (gradient * normed).mean(1, keepdims=True)
    return (gradient - gradient.mean(1, keepdims=True) - normed * inner) / scale


def softmax_rows(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def affinity(query: np.ndarray, source: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A (N_i, N_j) = softmax_rows(LN(F_i) W LN(F_j)^T)."""
    return softmax_rows(layer_norm(query) @ weight @ layer_norm(source).T)


def reallocate(query: np.ndarray, source: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """F_{j->i} = A F_j."""
    return affinity(query, source, weight) @ source


def gradients(
    query: np.ndarray, source: np.ndarray, weight: np.ndarray, gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dL/dF_i, dL/dF_j and dL/dW from ``gradient`` G = dL/dF_{j->i}, derived by hand."""
    a, normed_query, normed_source = affinity(query, source, weight), layer_norm(query), layer_norm(source)
    reached = gradient @ source.T
    scores = a * (reached - (a * reached).sum(1, keepdims=True))
    to_query = layer_norm_backward(query, scores @ normed_source @ weight.T)
    to_source = a.T @ gradient + layer_norm_backward(source, scores.T @ normed_query @ weight)
    return to_query, to_source, normed_query.T @ scores @ normed_source


def profile(a: np.ndarray) -> tuple[float, float]:
    """Mean row entropy over log N_j, and exp(entropy of the mean row) over N_j, of an affinity matrix (N_i, N_j)."""
    rows = -(a * np.log(np.maximum(a, 1e-300))).sum(1).mean() / np.log(a.shape[1])
    mean = a.mean(0)
    return rows, np.exp(-(mean * np.log(np.maximum(mean, 1e-300))).sum()) / a.shape[1]


def consistency(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over elements of the squared distance between the class probabilities of two (E, K) logits."""
    return float(((softmax_rows(first) - softmax_rows(second)) ** 2).sum(1).mean())
