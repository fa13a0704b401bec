"""The options of avsync evaluate whose default depends on the protocol."""

from typing import Annotated, Literal, NamedTuple

import typer

Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="How verdicts are summed up: clips, speech, segments (where clips are fake), stress (a set of avsync "
        "stress) or avh-align (as in AVH-Align, CVPR 2025). Default: clips; speech for sound alone.",
    ),
]
ProtocolRole = Annotated[
    Literal["report", "calibrate", "all"] | None,
    typer.Option(
        "--role",
        help="Whose real clips are used. report leaves out real clips of people who may have calibrated the model, "
        "because figures on them are too good. Fakes never calibrate, so all of them are used. Default: report; all "
        "with --protocol avh-align, whose clips are those of a published table.",
    ),
]
ProtocolTrim = Annotated[
    Literal["default", "paper", "none"] | None,
    typer.Option(
        "--trim",
        help="Silence to leave out. default: all before and after the speech; paper: digital silence at the start, as "
        "in AVH-Align; none. Default: default; paper with --protocol avh-align, but not for the embedded models, which "
        "are calibrated with default.",
    ),
]


class Chosen(NamedTuple):
    """What the options and the protocol come to.

    Attributes:
        role: whose real clips are used.
        trim: of models that are named by --weights, --backbone or --methods.
        own_trim: of the embedded models.
    """

    role: Literal["report", "calibrate", "all"]
    trim: Literal["default", "paper", "none"]
    own_trim: Literal["default", "paper", "none"]


def choose(
    protocol: str | None,
    role: Literal["report", "calibrate", "all"] | None,
    trim: Literal["default", "paper", "none"] | None,
) -> Chosen:
    """Return the role and the trims: what the options say, else what the protocol does."""
    published = protocol == "avh-align"
    return Chosen(
        role or ("all" if published else "report"), trim or ("paper" if published else "default"), trim or "default"
    )
