"""The pinned part of MITRE ATT&CK that detections may name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from mfagap.detect.document import read
from mfagap.detect.form import content
from mfagap.model import Technique


@dataclass(frozen=True, slots=True)
class Attack:
    """Tactics and techniques of one version (``content/attack.yml``).

    Attributes:
        version: Of the Enterprise matrix.
        tactics: Name by id.
        names: Technique name by id.
        tactics_of: Tactic ids by technique id.
    """

    version: str
    tactics: Mapping[str, str]
    names: Mapping[str, str]
    tactics_of: Mapping[str, tuple[str, ...]]

    @classmethod
    def pinned(cls) -> Self:
        """Return the version that ships with mfagap."""
        data = read(content() / "attack.yml").data
        techniques: Mapping[str, Mapping[str, object]] = data["techniques"]
        return cls(
            version=data["version"],
            tactics=data["tactics"],
            names={key: str(entry["name"]) for key, entry in data["techniques"].items()},
            tactics_of={key: tuple(data["techniques"][key]["tactics"]) for key in techniques},
        )

    def tactic_name(self, pair: Technique) -> str:
        """Return the name of the pair's tactic, or its id where it is not pinned."""
        return self.tactics.get(pair.tactic, pair.tactic)

    def technique_name(self, pair: Technique) -> str:
        """Return the name of the pair's technique, or its id where it is not pinned."""
        return self.names.get(pair.technique, pair.technique)

    def fault(self, pair: Technique) -> str | None:
        """Return what is wrong with ``pair`` in this version; None if nothing is."""
        known = self.tactics_of.get(pair.technique)
        if known is None:
            return f"{pair.technique} is not in content/attack.yml (ATT&CK {self.version})"
        if pair.tactic not in known:
            there = ", ".join(f"{tactic} {self.tactics[tactic]}" for tactic in known)
            version = f"ATT&CK {self.version}"
            return f"{pair.technique} is not under {pair.tactic} in {version}, but under {there}"
        return None
