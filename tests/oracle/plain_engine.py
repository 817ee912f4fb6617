"""A second implementation of the model: plain Python over the raw tables, written from the description alone.

It shares no line with `service.engine` and reads the tables with the csv module, so a mistake has to be made twice, in two
different ways, to stay hidden. It is slow and says what it does; nothing but tests may use it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import combinations, product
from math import exp, fsum, inf, log
from pathlib import Path

TABLES = Path(__file__).parents[2] / "service" / "knowledge" / "tables"

HIP_SPINE = "hip_spine_syndrome"
NOT_NODES = (HIP_SPINE, "other_unclassified")
SIJ_PARTS = ("sij_distraction", "sij_thigh_thrust", "sij_compression", "sij_sacral_thrust", "sij_gaenslen")
AGE_BANDS = ((40, "18-39"), (50, "40-49"), (60, "50-59"), (70, "60-69"), (inf, "70 and over"))
TINY = 1e-12
Value = bool | str | float

# Numbers that belong to the arithmetic and not to the tables: they keep logarithms finite.
SMALLEST_RATE = 1e-6
SENSITIVITY_ENDS = (0.005, 0.995)


# --- statements about one answer -----------------------------------------------------------------------------------


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def split_bound(part: str) -> tuple[str, float]:
    for sign in ("<=", ">=", "<", ">", "="):
        if part.startswith(sign):
            return sign, float(part[len(sign):])
    raise ValueError(f"no comparison in {part!r}")


def holds(statement: str, answer: Value) -> bool:
    """Whether a statement such as ``true``, ``=A|B``, ``<=15`` or ``>15 <=25`` is true of a known answer."""
    statement = statement.strip()
    if statement == "true":
        return answer is True
    if statement == "false":
        return answer is False
    if statement.startswith("=") and not is_number(statement[1:]):
        return answer in statement[1:].split("|")
    if isinstance(answer, bool | str):
        return False
    for part in statement.split():
        sign, bound = split_bound(part)
        true = {"<=": answer <= bound, ">=": answer >= bound, "<": answer < bound, ">": answer > bound, "=": answer == bound}
        if not true[sign]:
            return False
    return True


def representative(statement: str) -> Value:
    """One answer that makes the statement true."""
    statement = statement.strip()
    if statement in ("true", "false"):
        return statement == "true"
    if statement.startswith("=") and not is_number(statement[1:]):
        return statement[1:].split("|")[0]
    sign, bound = split_bound(statement.split()[-1])
    return bound + {">": 1.0, "<": -1.0}.get(sign, 0.0)


# --- tables --------------------------------------------------------------------------------------------------------


def read(name: str, directory: Path = TABLES) -> list[dict[str, str]]:
    with (directory / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def number(cell: str) -> float | None:
    return float(cell) if cell.strip() else None


@dataclass
class Observable:
    """Exclusive levels: their names, statements and background rates, in table order."""

    id: str
    finding_id: str
    names: list[str]
    statements: list[str]
    background: list[float]

    @property
    def binary(self) -> bool:
        return len(self.names) == 2 and self.names[0] == "present"

    def level_of(self, answer: Value) -> int | None:
        for index, statement in enumerate(self.statements):
            if holds(statement, answer):
                return index
        return None


def logit(p: float) -> float:
    return log(p / (1.0 - p))


def expit(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + exp(-x))
    return exp(x) / (1.0 + exp(x))


class PlainEngine:
    """The whole model, ready for questions. `posterior` is the only question there is."""

    def __init__(self, directory: Path = TABLES) -> None:
        self.directory = directory
        self.constants = {row["id"]: float(row["value"]) for row in read("model.csv", directory)}
        self.read_conditions()
        self.read_findings()
        self.read_observables()
        qualifiers = directory / "qualifiers.json"  # the toy tables have none
        self.qualifiers = json.loads(qualifiers.read_text(encoding="utf-8"))["qualifiers"] if qualifiers.is_file() else []
        self.rows = [row for row in read("likelihoods.csv", directory) if row["role"] == "input"]
        self.compile()
        self.list_hypotheses()
        self.read_clusters()
        self.information = {name: self.mutual_information(name) for name in self.observables}
        self.priors: dict[tuple[str | None, str | None], list[float]] = {}
        self.log_rates: dict[tuple[str, int, bool], list[float]] = {}

    # --- what the tables hold ---

    def read_conditions(self) -> None:
        rows = [row for row in read("conditions.csv", self.directory) if row["id"] not in NOT_NODES]
        self.conditions = [row["id"] for row in rows]
        self.region = {row["id"]: row["region"] for row in rows}
        self.prevalence = {row["id"]: float(row["prevalence"]) for row in rows}
        self.groups: dict[str, list[str]] = {}
        for row in read("groups.csv", self.directory):
            members = [member.strip() for member in row["members"].split(";")]
            self.groups[row["id"]] = [member for member in members if member in self.region]

    def read_findings(self) -> None:
        rows = read("findings.csv", self.directory)
        self.findings = [row["id"] for row in rows]
        self.dependency_group = {row["id"]: row["dependency_group"] for row in rows}
        self.definite = {row["id"] for row in rows if row["definite"] == "yes"}

    def read_observables(self) -> None:
        self.observables: dict[str, Observable] = {}
        for row in read("background_rates.csv", self.directory):
            name = row["observable_id"]
            if name not in self.observables:
                self.observables[name] = Observable(name, row["finding_id"], [], [], [])
            observable = self.observables[name]
            observable.names.append(row["level"])
            observable.statements.append(row["when"])
            observable.background.append(float(row["p"]))
        for observable in self.observables.values():  # a yes/no row names only presence; absence is the rest
            if observable.names == ["present"] and observable.statements == ["true"]:
                observable.names.append("absent")
                observable.statements.append("false")
                observable.background.append(1.0 - observable.background[0])
        self.observables_of: dict[str, list[str]] = {finding: [] for finding in self.findings}
        for observable in self.observables.values():
            self.observables_of[observable.finding_id].append(observable.id)

    # --- likelihoods ---

    def weight(self, row: dict[str, str]) -> float:
        weight = self.constants[f"weight_quality_{row['quality']}"]
        if row["confidence"] == "low":
            weight *= self.constants["weight_confidence_low"]
        if row["comparator_kind"] == "healthy":
            weight *= self.constants["weight_healthy"]
        return weight

    def levels_where_true(self, row: dict[str, str]) -> list[int]:
        statements = self.observables[row["observable_id"]].statements
        return [i for i, statement in enumerate(statements) if holds(row["when"], representative(statement))]

    def rate_of_statement(self, row: dict[str, str], comparator_rate: float | None) -> float:
        """P(the row's statement is true | its target alone)."""
        observable = self.observables[row["observable_id"]]
        plain = fsum(observable.background[i] for i in self.levels_where_true(row))
        kind = "_definite" if row["finding_id"] in self.definite else ""
        return self.rate_from_ratio(row, plain, plain if comparator_rate is None else comparator_rate, kind)

    def rate_from_ratio(self, row: dict[str, str], plain: float, base: float, kind: str) -> float:
        """The same from the rate among people with none of our conditions, and among those compared with."""
        weight = self.weight(row)
        lr_pos, lr_neg, sensitivity = number(row["lr_pos"]), number(row["lr_neg"]), number(row["sensitivity"])
        highest = self.constants["lr_only_max_rate"]
        most, least = self.constants[f"lr_pos_cap{kind}"], self.constants[f"lr_neg_cap{kind}"]
        if lr_neg == 0.0:  # a zero cell: use the cap, never the number
            lr_neg = least
        if lr_pos is not None and lr_neg is not None:
            rate = expit(logit(base) + weight * log(lr_pos / lr_neg))
        elif lr_pos is not None:
            rate = min(base * lr_pos**weight, highest)
        elif lr_neg is not None:
            rate = 1.0 - min((1.0 - base) * lr_neg**weight, highest)
        else:
            assert sensitivity is not None, row["row_id"]
            low, high = SENSITIVITY_ENDS
            clipped = min(max(sensitivity, low), high)
            rate = expit(logit(plain) + weight * (logit(clipped) - logit(plain)))
        lower = max(least * plain, 1.0 - most * (1.0 - plain))
        upper = min(most * plain, 1.0 - least * (1.0 - plain))
        rate = min(max(rate, lower), upper)
        return min(max(rate, SMALLEST_RATE), 1.0 - SMALLEST_RATE)

    def fit(self, observable: Observable, demands: list[tuple[list[int], float]]) -> list[float]:
        """The background scaled until every demand (levels, their joint rate) holds, one demand after the other."""
        return self.scaled(observable.background, demands)

    def scaled(self, start: list[float], demands: list[tuple[list[int], float]]) -> list[float]:
        rates = list(start)
        for _ in range(200):
            before = list(rates)
            for inside, rate in demands:
                outside = [i for i in range(len(rates)) if i not in inside]
                share, rest = fsum(rates[i] for i in inside), fsum(rates[i] for i in outside)
                for i in inside:
                    rates[i] *= rate / share
                for i in outside:
                    rates[i] *= (1.0 - rate) / rest
            if max(abs(new - old) for new, old in zip(rates, before, strict=True)) < TINY:
                break
        return rates

    def rows_for(self, condition: str, observable: str) -> list[dict[str, str]]:
        """The condition's own rows; else the rows of the narrowest group that holds it and has any."""
        on_it = [row for row in self.rows if row["observable_id"] == observable]
        own = [row for row in on_it if row["target_id"] == condition]
        if own:
            return own
        narrowest: str | None = None
        for group, members in self.groups.items():
            has_rows = any(row["target_id"] == group for row in on_it)
            if condition in members and has_rows and (narrowest is None or len(members) < len(self.groups[narrowest])):
                narrowest = group
        return [row for row in on_it if row["target_id"] == narrowest]

    def comparator_rate(self, row: dict[str, str]) -> float | None:
        """The rate of the row's statement among the people it was compared with, if these are conditions of ours."""
        other = row["comparator_id"]
        if not other:
            return None
        inside = self.levels_where_true(row)
        background = self.observables[row["observable_id"]].background
        if other in self.groups:
            target = row["target_id"]
            targets = self.groups.get(target, [target])
            people = [member for member in self.groups[other] if member not in targets]
        else:
            people = [other]
        if not people:  # everyone compared with has the target: nobody is left whose rate could stand in
            return None
        total = fsum(self.prevalence[person] for person in people)
        rate = 0.0
        for person in people:
            levels = self.first_pass.get((person, row["observable_id"]), background)
            rate += self.prevalence[person] / total * fsum(levels[i] for i in inside)
        return rate

    def compile(self) -> None:
        """Fills `rates[(condition, observable)]`; whoever is missing there has the background."""
        chosen = {}
        for observable in self.observables:
            for condition in [*self.conditions, HIP_SPINE]:
                if condition == HIP_SPINE:
                    rows = [row for row in self.rows if (row["observable_id"], row["target_id"]) == (observable, HIP_SPINE)]
                else:
                    rows = self.rows_for(condition, observable)
                if rows:
                    chosen[condition, observable] = rows
        self.chosen = chosen
        self.first_pass: dict[tuple[str, str], list[float]] = {}
        second_pass: dict[tuple[str, str], list[float]] = {}
        for which in (1, 2):
            for key, rows in chosen.items():
                compared = any(row["comparator_id"] for row in rows)
                if compared == (which == 2):
                    demands = [
                        (self.levels_where_true(row), self.rate_of_statement(row, self.comparator_rate(row))) for row in rows
                    ]
                    (self.first_pass if which == 1 else second_pass)[key] = self.fit(self.observables[key[1]], demands)
        self.rates = {**self.first_pass, **second_pass}

    def rates_of(self, condition: str, observable: str) -> list[float]:
        return self.rates.get((condition, observable), self.observables[observable].background)

    # --- hypotheses and their prior ---

    def list_hypotheses(self) -> None:
        self.sets: list[tuple[str, ...]] = [
            members for size in range(4) for members in combinations(self.conditions, size)
        ]
        self.hip_and_spine = [{"hip", "spine"} <= {self.region[member] for member in members} for members in self.sets]
        self.pattern = [self.pattern_of(members) for members in self.sets]
        self.holding = {c: [i for i, members in enumerate(self.sets) if c in members] for c in self.conditions}

    def pattern_of(self, members: tuple[str, ...]) -> str:
        regions = {self.region[member] for member in members}
        if "serious" in regions:
            return "serious"
        if "hip" in regions and "spine" in regions:
            return "hip-and-spine"
        if len(regions) == 1:
            return regions.pop()
        return "other-combination" if regions else "none-identified"

    def demographic_ratio(self, condition: str, observable: str, level: str | None) -> float:
        if level is None:
            return 1.0
        index = self.observables[observable].level_of(level)
        assert index is not None, (observable, level)
        return self.rates_of(condition, observable)[index] / self.observables[observable].background[index]

    def prior(self, age_band: str | None, sex: str | None) -> list[float]:
        """P(set), in the order of `sets`."""
        if (age_band, sex) in self.priors:
            return self.priors[age_band, sex]
        masses = {name: self.constants[f"class_mass_{name}"] for name in ("empty", "hip_and_spine", "combination")}
        masses["single"] = 1.0 - fsum(masses.values())
        kinds, products = [], []
        for members, both in zip(self.sets, self.hip_and_spine, strict=True):
            product = 1.0
            for member in members:
                product *= self.prevalence[member]
            products.append(product)
            several = "hip_and_spine" if both else "combination"
            kinds.append("empty" if not members else "single" if len(members) == 1 else several)
        totals = {kind: fsum(p for p, k in zip(products, kinds, strict=True) if k == kind) for kind in masses}
        weights = []
        for members, kind, product in zip(self.sets, kinds, products, strict=True):
            weight = masses[kind] * product / totals[kind]
            for member in members:
                weight *= self.demographic_ratio(member, "age_band", age_band)
                weight *= self.demographic_ratio(member, "sex", sex)
            weights.append(weight)
        total = fsum(weights)
        self.priors[age_band, sex] = [weight / total for weight in weights]
        return self.priors[age_band, sex]

    # --- what a set of conditions does to a finding ---

    def rates_in_set(self, observable: str, index: int) -> list[float]:
        """P(each level | the set with that index)."""
        background = self.observables[observable].background
        members = [*self.sets[index], HIP_SPINE] if self.hip_and_spine[index] else list(self.sets[index])
        each = [self.rates_of(member, observable) for member in members if (member, observable) in self.rates]
        if self.observables[observable].binary:
            b, missed, lowered = background[0], 1.0, 1.0
            for levels in each:
                if levels[0] > b:
                    missed *= (1.0 - levels[0]) / (1.0 - b)
                else:
                    lowered *= levels[0] / b
            present = (1.0 - (1.0 - b) * missed) * lowered
            return [present, 1.0 - present]
        products = list(background)
        for levels in each:
            products = [p * q / b for p, q, b in zip(products, levels, background, strict=True)]
        total = fsum(products)
        return [p / total for p in products]

    def shrink(self, observable: str, rates: list[float]) -> list[float]:
        """The rates of a finding that another one of its dependency group already speaks for."""
        background = self.observables[observable].background
        power = self.constants["dependence_shrink"]
        products = [b * (p / b) ** power for p, b in zip(rates, background, strict=True)]
        total = fsum(products)
        return [p / total for p in products]

    def log_rate(self, observable: str, level: int, shared: bool) -> list[float]:
        """ln P(level | set) for every set."""
        key = (observable, level, shared)
        if key not in self.log_rates:
            for shrunk in (False, True):
                for each in range(len(self.observables[observable].names)):
                    self.log_rates[observable, each, shrunk] = []
            for index in range(len(self.sets)):
                full = self.rates_in_set(observable, index)
                for shrunk in (False, True):
                    for each, rate in enumerate(self.shrink(observable, full) if shrunk else full):
                        self.log_rates[observable, each, shrunk].append(log(rate))
        return self.log_rates[key]

    def mutual_information(self, observable: str) -> float:
        """Bits between the level and a condition drawn evenly from the single ones."""
        rows = [self.rates_of(condition, observable) for condition in self.conditions]
        share = 1.0 / len(rows)
        mean = [share * fsum(row[i] for row in rows) for i in range(len(rows[0]))]
        return fsum(share * p * log(p / m, 2) for row in rows for p, m in zip(row, mean, strict=True) if p > 0.0)

    # --- published clusters ---

    def read_clusters(self) -> None:
        """The rows of each published cluster, by its id; toy tables have none."""
        self.clusters: dict[str, list[dict[str, str]]] = {}
        if (self.directory / "clusters.csv").is_file():
            for row in read("clusters.csv", self.directory):
                self.clusters.setdefault(row["cluster_id"], []).append(row)
        self.item_rates: dict[tuple[str, str, bool], list[float]] = {}
        self.cluster_shares: dict[str, tuple[list[float], list[float]]] = {}

    def items_of(self, cluster: str) -> list[tuple[str, str]]:
        """The finding of each item, and the statement that makes it met."""
        return [(item.split(" ", 1)[0], item.split(" ", 1)[1]) for item in self.clusters[cluster][0]["items"].split(";")]

    def item_rate(self, finding: str, statement: str, index: int, full: bool) -> float:
        """P(item met | the set with that index)."""
        key = (finding, statement, full)
        if key not in self.item_rates:
            (observable,) = self.observables_of[finding]
            levels = self.observables[observable].statements
            met = [i for i, level in enumerate(levels) if holds(statement, representative(level))]
            logs = [self.log_rate(observable, level, not full) for level in met]
            self.item_rates[key] = [fsum(map(exp, each)) for each in zip(*logs, strict=True)]
        return self.item_rates[key][index]

    def cluster_levels(self, cluster: str) -> list[tuple[bool, ...]]:
        """Which rows are true of each number of items met."""
        counts = range(len(self.items_of(cluster)) + 1)
        return [tuple(holds(row["when"], float(count)) for row in self.clusters[cluster]) for count in counts]

    def shares_alone(self, cluster: str, members: tuple[str, ...]) -> list[float]:
        """P(number of items met | these conditions), where nothing but the items was asked; every combination one by one."""
        items = self.items_of(cluster)
        index = self.sets.index(members)
        names = {self.observables_of[finding][0]: 0 for finding, _ in items}
        leads = self.leaders(names)
        rates = [self.item_rate(finding, text, index, self.observables_of[finding][0] in leads) for finding, text in items]
        shares = [0.0] * (len(items) + 1)
        for combination in product((True, False), repeat=len(items)):
            chance = 1.0
            for met, rate in zip(combination, rates, strict=True):
                chance *= rate if met else 1.0 - rate
            shares[sum(combination)] += chance
        return shares

    def cluster_wanted(self, cluster: str) -> tuple[list[float], list[float]]:
        """P(number of items met | target alone): by the items, and as the rows of the cluster want it (in proportion)."""
        if cluster not in self.cluster_shares:
            rows = self.clusters[cluster]
            target = rows[0]["target_id"]
            empty, alone = self.shares_alone(cluster, ()), self.shares_alone(cluster, (target,))
            signatures = self.cluster_levels(cluster)
            levels = sorted(set(signatures), key=signatures.index)
            plain = [fsum(p for p, s in zip(empty, signatures, strict=True) if s == level) for level in levels]
            demands = []
            for number_of_row, row in enumerate(rows):
                inside = [i for i, level in enumerate(levels) if level[number_of_row]]
                other: float | None = None
                if row["comparator_id"]:
                    people = [m for m in self.groups.get(row["comparator_id"], [row["comparator_id"]]) if m != target]
                    total = fsum(self.prevalence[person] for person in people)
                    other = 0.0
                    for person in people:
                        share = self.shares_alone(cluster, (person,))
                        met = fsum(p for p, s in zip(share, signatures, strict=True) if s[number_of_row])
                        other += self.prevalence[person] / total * met
                base = fsum(plain[i] for i in inside)
                demands.append((inside, self.rate_from_ratio(row, base, base if other is None else other, "")))
            levels_wanted = self.scaled(plain, demands)
            given = [fsum(p for p, s in zip(alone, signatures, strict=True) if s == level) for level in levels]
            factor = {level: w / g for level, w, g in zip(levels, levels_wanted, given, strict=True)}
            wanted = [p * factor[s] for p, s in zip(alone, signatures, strict=True)]
            self.cluster_shares[cluster] = (alone, wanted)
        return self.cluster_shares[cluster]

    def tilt(self, cluster: str, answers: dict[str, int], full: set[str]) -> list[float] | None:
        """ln of the factor per set; None where the answered items could decide nothing."""
        items = [(finding, text, self.observables_of[finding][0]) for finding, text in self.items_of(cluster)]
        asked = [item for item in items if item[2] in answers]
        alone, wanted = self.cluster_wanted(cluster)
        signatures = self.cluster_levels(cluster)

        def weight(met: int) -> float:
            """What the rows want over what the items give, of the numbers possible and those that no row tells from them."""
            possible = {signatures[met + more] for more in range(len(items) - len(asked) + 1)}
            chosen = [count for count, signature in enumerate(signatures) if signature in possible]
            ratio = fsum(wanted[count] for count in chosen) / fsum(alone[count] for count in chosen)
            power = 1.0 if any(observable in full for _, _, observable in asked) else self.constants["dependence_shrink"]
            return 1.0 if len(possible) == len(set(signatures)) else ratio**power

        weights = [weight(met) for met in range(len(asked) + 1)]
        if all(one == 1.0 for one in weights):
            return None
        seen = sum(holds(text, representative(self.observables[name].statements[answers[name]])) for _, text, name in asked)
        target = self.clusters[cluster][0]["target_id"]
        logs = [0.0] * len(self.sets)
        for index in self.holding[target]:
            rates = [self.item_rate(finding, text, index, name in full) for finding, text, name in asked]
            total = 0.0
            for combination in product((True, False), repeat=len(asked)):
                chance = weights[sum(combination)]
                for met, rate in zip(combination, rates, strict=True):
                    chance *= rate if met else 1.0 - rate
                total += chance
            logs[index] = log(weights[seen] / total)
        return logs

    # --- one case ---

    def observed(self, answers: dict[str, Value]) -> dict[str, int]:
        """The level of every observable that the answers speak of."""
        answers = dict(answers)
        for rule in self.qualifiers:
            if answers.get(rule["finding_id"]) == rule["value"] and self.too_short(rule["needs"]["any"], answers):
                del answers[rule["finding_id"]]
        known = [answers[part] for part in SIJ_PARTS if part in answers]
        positive = sum(value is True for value in known)
        if len(known) == len(SIJ_PARTS) or positive >= 3:
            answers["sij_count"] = positive
        # A count between two levels (2.5) says nothing, so it must not silence the parts either.
        if "sij_count" in answers and self.observables["sij_count"].level_of(answers["sij_count"]) is not None:
            for part in SIJ_PARTS:
                answers.pop(part, None)
        levels = {}
        for finding in self.findings:
            if finding in answers and finding not in ("age_band", "sex"):
                for observable in self.observables_of[finding]:
                    level = self.observables[observable].level_of(answers[finding])
                    if level is not None:
                        levels[observable] = level
        return levels

    def too_short(self, bounds: list[dict[str, str]], answers: dict[str, Value]) -> bool:
        """Whether something was answered, and none of it reaches its bound (all bounds are written ``>=n``)."""
        given = [(float(answers[bound["finding"]]), float(bound["is"].removeprefix(">="))) for bound in bounds
                 if bound["finding"] in answers]
        return bool(given) and all(value < least for value, least in given)

    def leaders(self, observed: dict[str, int]) -> set[str]:
        """Those observables that count in full: one for each dependency group."""
        best: dict[str, str] = {}
        for observable in observed:
            group = self.dependency_group[self.observables[observable].finding_id]
            if group not in best or self.information[observable] > self.information[best[group]] + TINY:
                best[group] = observable
        return set(best.values())

    def age_band(self, age: float | None) -> str | None:
        if age is None or age < 18:
            return None
        return next(name for end, name in AGE_BANDS if age < end)

    def age_and_sex(self, answers: dict[str, Value], age: float | None, sex: str | None) -> tuple[str | None, str | None]:
        """The age band and sex that count: what the record says outranks the form."""
        form = {finding: str(answers[finding]) for finding in ("age_band", "sex") if finding in answers}
        return form.get("age_band") if age is None else self.age_band(age), sex or form.get("sex")

    def posterior(self, answers: dict[str, Value], age: float | None = None, sex: str | None = None) -> list[float]:
        """P(set | answers), in the order of `sets`."""
        observed = self.observed(answers)
        full = self.leaders(observed)
        terms = [self.log_rate(name, level, name not in full) for name, level in observed.items()]
        tilts = [self.tilt(cluster, observed, full) for cluster in self.clusters]
        terms += [logs for logs in tilts if logs is not None]
        prior = self.prior(*self.age_and_sex(answers, age, sex))
        logs = [fsum(parts) for parts in zip(*terms, strict=True)] if terms else [0.0] * len(prior)
        peak = max(logs)
        weights = [p * exp(x - peak) for p, x in zip(prior, logs, strict=True)]
        total = fsum(weights)
        return [weight / total for weight in weights]

    def condition_marginals(self, posterior: list[float]) -> dict[str, float]:
        marginals = {c: fsum(posterior[i] for i in self.holding[c]) for c in self.conditions}
        marginals[HIP_SPINE] = fsum(p for p, both in zip(posterior, self.hip_and_spine, strict=True) if both)
        return marginals

    def patterns(self, posterior: list[float]) -> dict[str, float]:
        collected: dict[str, list[float]] = {}
        for pattern, p in zip(self.pattern, posterior, strict=True):
            collected.setdefault(pattern, []).append(p)
        return {pattern: fsum(values) for pattern, values in collected.items()}
