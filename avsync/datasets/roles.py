"""Roles: whose clips calibrate the detector, and whose clips are kept for reporting how well it works.

Figures are only honest on people that the reference has not seen. The role is therefore a fixed property of the
identity: a person has the same role in every data set, every version of avsync and every run.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

from avsync.datasets.record import ClipRecord

Role = Literal["calibrate", "report"]


def role(identity: str) -> Role:
    """Return the role of a person: `calibrate` if the first bit of the identity's SHA-256 is 0, else `report`.

    About half of the identities get each role, whatever they look like. (Version 0.1.0 used the first digit of the id.
    Every id of FakeAVCeleb begins with "id0", so nobody was left to report on.)

    Args:
        identity: `ClipRecord.identity`, exactly as the data set spells it: "id1" and "ID1" are two people. It is hashed
            as UTF-8.
    """
    digest = sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return "calibrate" if digest[0] < 128 else "report"


def with_role(records: Iterable[ClipRecord], wanted: Role | Literal["all"]) -> list[ClipRecord]:
    """Return the real clips of the people who have a role, and all fakes, in the same order; "all" keeps every clip.

    No fake ever calibrates a model, so the role of its source matters to nobody.
    """
    return [r for r in records if wanted == "all" or r.label == "fake" or role(r.identity) == wanted]
