"""What changed between two assessments of one patient, and which answers changed it.

The change of a target's log-odds is the sum of the differences of its contributions, answer by answer, plus what age and
sex changed in the prior; both assessments are computed with the tables of today, so that only answers differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.engine.differential import Posterior
from service.engine.explain import Contrast, attribute
from service.engine.hypotheses import Array
from service.engine.model import PATTERNS, AnswerValue, Case, Change, ChangeReason

LEAST_REASON = 1e-9


def change_between(
    *, earlier: tuple[Case, Posterior], now: tuple[Case, Posterior], contrasts: Mapping[str, Contrast], pattern: Array
) -> Change:
    """The change of every source pattern, and the reasons behind that of the pattern that leads now, largest first.

    `pattern` is hypotheses x patterns. Prior change plus reasons is the change of the leading pattern's log-odds.
    """
    before, after = earlier[1].weights @ pattern, now[1].weights @ pattern
    leading = PATTERNS[int(after.argmax())]
    target = [contrasts[leading]]
    attributions = [(posterior, attribute(posterior, target)) for _, posterior in (earlier, now)]
    per_finding: dict[str, float] = {}
    for sign, (posterior, attribution) in zip((-1.0, 1.0), attributions, strict=True):
        for row, term in enumerate(posterior.evidence.terms):
            finding_id = term.answer.finding_id
            per_finding[finding_id] = per_finding.get(finding_id, 0.0) + sign * float(attribution.contributions[row, 0])
    # Counts are worked out from other answers, so their values stand in the evidence and not in the case.
    counted = [
        {term.answer.finding_id: term.answer.value for term in posterior.evidence.terms} for posterior, _ in attributions
    ]

    def value(at: int, finding_id: str) -> AnswerValue | None:
        return counted[at].get(finding_id, (earlier, now)[at][0].value(finding_id))

    reasons = [
        ChangeReason(finding_id, value(0, finding_id), value(1, finding_id), amount)
        for finding_id, amount in per_finding.items()
        if abs(amount) > LEAST_REASON
    ]
    reasons.sort(key=lambda reason: -abs(reason.log_odds))
    (_, first), (_, second) = attributions
    return Change(
        patterns=tuple(
            (name, float(old), float(new)) for name, old, new in zip(PATTERNS, before.tolist(), after.tolist(), strict=True)
        ),
        leading=leading,
        prior_log_odds=float(second.prior[0] - first.prior[0]),
        log_odds=float(second.posterior[0] - first.posterior[0]),
        reasons=tuple(reasons),
    )
