"""Losses written out element by element in numpy, float64; -1 is no label."""

from __future__ import annotations

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def labeled_mean(loss: list[float], labels: np.ndarray, weights: np.ndarray) -> float:
    total = sum(w * value for w, value, k in zip(weights, loss, labels, strict=True) if k >= 0)
    return total / sum(w for w, k in zip(weights, labels, strict=True) if k >= 0)


def symmetric(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, alpha: float, beta: float) -> float:
    """Eq. 6 and 7 of arXiv 1908.06112 with log 0 = -4, as sums over classes."""
    loss = []
    for p, k in zip(softmax(logits), labels, strict=True):
        truth = np.eye(len(p))[k]
        log_truth = np.where(truth > 0, 0.0, -4.0)
        loss.append(alpha * -(truth * np.log(p)).sum() + beta * -(p * log_truth).sum())
    return labeled_mean(loss, labels, weights)


def truncated(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, q: float, low: float, high: float) -> float:
    loss = []
    for p, k in zip(softmax(logits), labels, strict=True):
        cut = min(max(p[k], low), high)
        loss.append(-np.log(cut) if q == 0 else (1 - cut**q) / q)
    return labeled_mean(loss, labels, weights)


def alignment(scores: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float:
    """ERDA at weight 1: the entropy of the pseudo label plus its divergence from the prediction."""
    found = []
    for q, p in zip(softmax(scores)[labels < 0], softmax(logits)[labels < 0], strict=True):
        entropy = -sum(x * np.log(x) for x in q if x > 0)
        divergence = sum(x * np.log(x / y) for x, y in zip(q, p, strict=True) if x > 0)
        found.append(entropy + divergence)
    return float(np.mean(found))


def affinity(feats: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Mean over pairs of one class and mean over pairs of two, of which the mean."""
    sums = {True: [0.0, 0.0], False: [0.0, 0.0]}
    known = np.flatnonzero(labels >= 0)
    for i in known:
        for j in known:
            if i != j:
                cosine = feats[i] @ feats[j] / np.linalg.norm(feats[i]) / np.linalg.norm(feats[j])
                same = bool(labels[i] == labels[j])
                right = (1 + cosine) / 2 if same else 1 - max(cosine, 0)
                sums[same][0] -= weights[i] * weights[j] * np.log(max(right, 1e-4))
                sums[same][1] += weights[i] * weights[j]
    return sum(total / max(count, 1e-300) for total, count in sums.values()) / 2


def class_presence(logits: np.ndarray, sample: np.ndarray, target: np.ndarray) -> float:
    """Binary cross-entropy of the mean scores, 0.3 for absent classes."""
    found = []
    for b in range(len(target)):
        for k in range(target.shape[1]):
            p = 1 / (1 + np.exp(-logits[sample == b, k].mean()))
            found.append(-np.log(p) if target[b, k] else -0.3 * np.log(1 - p))
    return float(np.mean(found))
