"""Expected information: how much of it the answers hold, and which unknown finding would tell the most.

Information is mutual information with the source pattern, in bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engine.dependence import leading
from service.engine.evidence import Evidence
from service.engine.hypotheses import Array
from service.engine.network import Network

# Questions, bedside tests and longer examination; imaging, needles and internal examination are never "the next question".
LARGEST_BURDEN = 3


def observable_bits(rates: NDArray[np.floating], segments: NDArray[np.int64], weights: Array, pattern: Array) -> Array:
    """Mutual information, in bits, of each observable with the source pattern, under hypothesis `weights`.

    `rates` is levels x hypotheses, `segments` the first level row of each observable, `pattern` hypotheses x patterns.
    """
    joint = (rates @ (weights[:, None] * pattern).astype(rates.dtype)).astype(np.float64)
    joint = np.maximum(joint, 1e-300)
    by_level = joint.sum(axis=1, keepdims=True)
    by_pattern = np.maximum(weights @ pattern, 1e-300)
    terms = (joint * (np.log2(joint) - np.log2(by_level) - np.log2(by_pattern))).sum(axis=1)
    bits: Array = np.maximum(np.add.reduceat(terms, segments), 0.0)
    return bits


class FormInformation:
    """Expected information of the whole form under the prior, computed once per network."""

    def __init__(self, network: Network) -> None:
        prior = np.exp(network.hypotheses.log_prior)
        pattern = network.hypotheses.pattern
        ids = [observable.id for observable in network.observables]
        full = observable_bits(network.full, network.segments, prior, pattern)
        shared = observable_bits(network.shared, network.segments, prior, pattern)
        self._full = dict(zip(ids, full.tolist(), strict=True))
        self._shared = dict(zip(ids, shared.tolist(), strict=True))
        parts = {part for cluster in network.knowledge.clusters.values() for part in cluster}
        asked = [observable for observable in network.observables if observable.finding_id not in parts]
        leaders = leading(asked, network.dependency_groups, network.separation)
        self._total = sum(
            self._full[observable.id] if observable.id in leaders else self._shared[observable.id] for observable in asked
        )

    def coverage(self, evidence: Evidence) -> float:
        """Share of the form's expected information that the answered findings hold, 0..1.

        Each finding counts by what it was expected to tell about the source pattern before anything was known, shared
        ones as shared; a full form, with clusters in the place of their parts, is 1.
        """
        held = sum(
            self._full[observation.observable.id] if observation.leader else self._shared[observation.observable.id]
            for observation in evidence.observations
        )
        return min(1.0, held / self._total)
