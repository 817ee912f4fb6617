"""Where the data files are: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from service.errors import Fault, KnowledgeBaseError

PACKAGE = Path(__file__).resolve().parent


def tables_directory() -> Path:
    """The folder of the knowledge tables."""
    return PACKAGE / "knowledge" / "tables"


def terminology_directory() -> Path:
    """The folder that holds codesystems/, valuesets/ and conceptmaps/."""
    return _data_directory("terminology")


def profiles_directory() -> Path:
    """The folder that holds resources/ (compiled profiles, operations, search parameters) and examples/."""
    return _data_directory("profiles", beside="profiles/fsh-generated")


def _data_directory(name: str, *, beside: str | None = None) -> Path:
    bundled = PACKAGE / "bundled" / name
    if bundled.is_dir():
        return bundled
    folder = PACKAGE.parent / (beside or name)
    # The marker tells our checkout from an unrelated folder that happens to lie beside site-packages/service.
    if folder.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file():
        return folder
    raise KnowledgeBaseError(
        Fault(
            "not-found",
            f"the folder {beside or name}/ is missing",
            repair="Reinstall the package, or run from a complete checkout.",
        )
    )
