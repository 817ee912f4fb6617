"""The tables as one `KnowledgeBase`, or one `KnowledgeBaseError` that lists every bad row."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marshmallow import ValidationError
from marshmallow.fields import Field

from service.engine.model import (
    Citation,
    Cluster,
    Condition,
    Constant,
    Estimate,
    Finding,
    Group,
    Incompatible,
    KnowledgeBase,
    Level,
    LevelRate,
    LevelShare,
    Likelihood,
    Observable,
    PlanRule,
    Qualifier,
    RedFlagRule,
    Referral,
    StageRate,
    Test,
    Threat,
)
from service.errors import Fault, KnowledgeBaseError
from service.knowledge.cells import Cell
from service.knowledge.lint import lint
from service.knowledge.schema import SCHEMAS, Row, Tables, TableSchema

# Raised by hand when the meaning of a column changes; the hash behind it tells the content.
TABLE_VERSION = "1.0"


def load_knowledge_base(directory: Path) -> KnowledgeBase:
    """The knowledge base in `directory`. KnowledgeBaseError names file, row and column of every fault found."""
    tables, version = read_tables(directory)
    faults = lint(tables)
    if faults:
        raise KnowledgeBaseError(faults)
    return build_knowledge_base(tables, version)


def read_tables(directory: Path) -> tuple[Tables, str]:
    """Every table after its schema, and the version: a number and a hash of the files in name order.

    KnowledgeBaseError lists the faults of all tables.
    """
    faults: list[Fault] = []
    rows: dict[str, tuple[Row, ...]] = {}
    content = hashlib.sha256()
    for name in sorted(SCHEMAS):
        try:
            raw = (directory / name).read_bytes()
        except OSError as error:
            faults.append(Fault("not-found", f"cannot be read: {error.strerror}", where=name))
            continue
        content.update(name.encode() + b"\0" + raw + b"\0")
        rows[name.partition(".")[0]] = _read(name, raw, faults)
    if faults:
        raise KnowledgeBaseError(faults)
    return Tables(**rows), f"{TABLE_VERSION}-{content.hexdigest()[:12]}"


def _read(name: str, raw: bytes, faults: list[Fault]) -> tuple[Row, ...]:
    """Rows of one file that pass its schema; what does not pass is added to `faults`."""
    schema = SCHEMAS[name]()
    try:
        text = raw.decode("utf-8")
        plain = _csv_rows(name, text, faults) if name.endswith(".csv") else _json_rows(text)
    except (UnicodeDecodeError, ValueError) as error:
        faults.append(Fault("structure", f"cannot be read: {error}", where=name))
        return ()
    try:
        loaded: list[Row] = loaded_rows(schema, plain)
    except ValidationError as error:
        for index, columns in sorted(error.normalized_messages().items()):
            row = plain[index] if isinstance(index, int) and index < len(plain) else {}
            row_name = row.get(schema.key) or f"number {index}" if isinstance(row, dict) else f"number {index}"
            details = columns if isinstance(columns, dict) else {"": columns}
            faults += [
                Fault("value", f"{_said(said)}.", where=f"{name} row {row_name} column {column}")
                for column, said in details.items()
            ]
        return ()
    return tuple(loaded)


def loaded_rows(schema: TableSchema, plain: list[Any]) -> list[Row]:
    """The rows as `schema` reads them; ValidationError as it says it.

    The cells are read directly, and a text that a column repeats (four in five do) only once, since every start waits for it: a
    fifth of the time of the schema's own walk. With the first row that does not fit, the schema reads the table again and says
    all that is wrong.
    """
    reader = schema.load_fields
    try:
        if all(isinstance(row, dict) and row.keys() == reader.keys() for row in plain):
            columns = [_read_column(cell, name, plain) for name, cell in reader.items()]
            return [dict(zip(reader, values, strict=True)) for values in zip(*columns, strict=True)]
    except ValidationError:
        pass
    found: list[Row] = schema.load(plain, many=True)
    return found


def _read_column(field: Field[Any], name: str, plain: list[dict[str, Any]]) -> list[Any]:
    """What one field reads from every row. Only texts are looked up: what is read from a text cannot be changed."""
    if not isinstance(field, Cell):
        return [field.deserialize(row[name], name, row) for row in plain]
    known: dict[str, Any] = {}
    values = []
    for row in plain:
        raw = row[name]
        if not isinstance(raw, str):
            values.append(field.deserialize(raw, name, row))
            continue
        if raw not in known:
            known[raw] = field.read(raw)
        values.append(known[raw])
    return values


def _said(said: Any) -> str:
    return "; ".join(str(one).rstrip(".") for one in said) if isinstance(said, list) else str(said)


def _csv_rows(name: str, text: str, faults: list[Fault]) -> list[dict[str, str]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        found = []
        for cells in lines:
            if len(cells) != len(header):
                where = f"{name} row {cells[0] if cells else 'empty'}"
                faults.append(Fault("structure", f"{len(cells)} cells under {len(header)} columns.", where=where))
            else:
                found.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if not found:
        faults.append(Fault("structure", "the table is empty.", where=name))
    return found


def _json_rows(text: str) -> list[Any]:
    document = json.loads(text)
    if not isinstance(document, dict) or len(document) != 1 or not isinstance(next(iter(document.values())), list):
        raise ValueError("must be an object with one list")
    rows: list[Any] = next(iter(document.values()))
    return rows


# --- rows to dataclasses -----------------------------------------------------------------------------------------


def build_knowledge_base(tables: Tables, version: str) -> KnowledgeBase:
    """The knowledge base of tables that `lint` found nothing in."""
    return KnowledgeBase(
        version=version,
        conditions=tuple(_condition(row) for row in tables.conditions),
        groups=tuple(Group(row["id"], row["label"], row["members"]) for row in tables.groups),
        findings=tuple(_finding(row) for row in tables.findings),
        observables=_observables(tables),
        likelihoods=tuple(_likelihood(row) for row in tables.likelihoods),
        red_flags=tuple(RedFlagRule(**row) for row in tables.red_flags),
        referrals=tuple(Referral(**row) for row in tables.plans),
        citations={row["id"]: _citation(row) for row in tables.sources},
        constants={row["id"]: Constant(**row) for row in tables.model},
        controversies={row["finding_id"]: row["text"] for row in tables.controversies},
        levels=tuple(LevelShare(**row) for row in tables.levels),
        level_rates=tuple(LevelRate(**row) for row in tables.level_findings),
        incompatible=tuple(
            Incompatible(row["finding_id"], row["when"], row["other_id"], row["other_when"]) for row in tables.incompatible
        ),
        stages=tuple(StageRate(**{**row, "stage": int(row["stage"])}) for row in tables.stages),
        plan_rules=tuple(PlanRule(**row) for row in tables.plan_rules),
        qualifiers=tuple(Qualifier(**row) for row in tables.qualifiers),
        clusters={row["id"]: row["parts"] for row in tables.findings if row["parts"]},
        published_clusters=_clusters(tables.clusters),
        threats={row["id"]: Threat(**row) for row in tables.threats},
    )


def _condition(row: Row) -> Condition:
    return Condition(**{name: row[name] for name in Condition.__dataclass_fields__})


def _finding(row: Row) -> Finding:
    values = {name: row[name] for name in Finding.__dataclass_fields__}
    days = row["valid_days"]
    return Finding(**(values | {"burden": int(row["burden"]), "valid_days": None if days is None else int(days)}))


def _citation(row: Row) -> Citation:
    values = {name: row[name] for name in Citation.__dataclass_fields__}
    return Citation(**(values | {"year": None if row["year"] is None else int(row["year"])}))


def _observables(tables: Tables) -> tuple[Observable, ...]:
    """Observables in the order of the findings; the levels of each are rescaled so that they sum to 1 exactly."""
    rows: dict[str, list[Row]] = {}
    for row in tables.background_rates:
        rows.setdefault(row["observable_id"], []).append(row)
    place = {row["id"]: index for index, row in enumerate(tables.findings)}
    return tuple(
        _observable(observable_id, levels)
        for observable_id, levels in sorted(rows.items(), key=lambda item: place[item[1][0]["finding_id"]])
    )


def _observable(observable_id: str, rows: Sequence[Row]) -> Observable:
    first = rows[0]
    if len(rows) == 1:  # a yes/no finding: the table holds the rate of "present" alone
        levels: tuple[Level, ...] = (
            Level("present", first["when"], first["p"], first["p_low"], first["p_high"]),
            Level("absent", Test.parse("false"), 1.0 - first["p"], 1.0 - first["p_high"], 1.0 - first["p_low"]),
        )
    else:
        total = sum(row["p"] for row in rows)
        levels = tuple(Level(row["level"], row["when"], row["p"] / total, row["p_low"], row["p_high"]) for row in rows)
    return Observable(observable_id, first["finding_id"], levels, first["source_kind"], first["note"])


def _clusters(rows: Sequence[Row]) -> tuple[Cluster, ...]:
    """Clusters in table order, each with its rows."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row["cluster_id"], []).append(row)
    return tuple(
        Cluster(
            cluster_id,
            own[0]["label"],
            own[0]["target_id"],
            tuple((item.partition(" ")[0], Test.parse(item.partition(" ")[2])) for item in own[0]["items"]),
            tuple(_cluster_row(row) for row in own),
        )
        for cluster_id, own in by_id.items()
    )


def _cluster_row(row: Row) -> Likelihood:
    """One published ratio of a cluster, as a likelihood row whose finding is the number of items met."""
    added = {
        "finding_id": row["cluster_id"], "observable_id": row["cluster_id"], "role": "input", "decision": "", "when_not": None,
        "sens_low": None, "sens_high": None, "spec_low": None, "spec_high": None,
    }
    return _likelihood({**row, **added})


def _likelihood(row: Row) -> Likelihood:
    def estimate(name: str, range_name: str) -> Estimate | None:
        if row[name] is None:
            return None
        return Estimate(row[name], row[f"{range_name}_low"], row[f"{range_name}_high"])

    figures = {
        "sensitivity": estimate("sensitivity", "sens"),
        "specificity": estimate("specificity", "spec"),
        "lr_pos": estimate("lr_pos", "lr_pos"),
        "lr_neg": estimate("lr_neg", "lr_neg"),
    }
    return Likelihood(**({name: row[name] for name in Likelihood.__dataclass_fields__ if name not in figures} | figures))
