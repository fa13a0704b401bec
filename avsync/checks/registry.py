"""The registry of checks, in the order in which they are asked. Importing it imports nothing heavy.

To add a check, write its file with a function `load(checkpoint, device) -> Check`, and add its line here;
`docs/adding.md` shows how.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckInfo:
    """One check in words, and how it is loaded.

    Attributes:
        name: as options and results call it.
        question: what it asks of a recording.
        finding: what a suspicious recording shows.
        ordinary_causes: what makes real recordings look so.
        loader: "module:function".
        model: the check whose model it is loaded with, and calibrated for: its own name if it has one.
        default: whether it is asked where no checks are named; one whose model users train is not.
    """

    name: str
    question: str
    finding: str
    ordinary_causes: str
    loader: str
    model: str = "lips"
    default: bool = True


CHECKS: dict[str, CheckInfo] = {
    check.name: check
    for check in (
        CheckInfo(
            "lips",
            "Do these lips and this speech go together?",
            "lip movements do not match the speech",
            "dubbing, voice-over, translation, singing, a covered or turned mouth, another person speaking",
            "avsync.checks.lips:load",
        ),
        CheckInfo(
            "face",
            "Does this face look and move as cameras record faces?",
            "the face moves or looks unlike recorded faces",
            "beauty filters, strong compression, an enlarged picture, a face that is hardly moving",
            "avsync.checks.face:load",
        ),
        CheckInfo(
            "voice",
            "Does this voice sound as microphones record voices?",
            "the voice sounds unlike recorded speech",
            "an echoing room, noise suppression, a telephone, music, strong compression",
            "avsync.checks.voice:load",
            model="voice",
        ),
        CheckInfo(
            "appearance",
            "Does a network find this face unlike faces that cameras record?",
            "the picture of the face looks rebuilt",
            "beauty filters, make-up effects, strong compression, an enlarged picture, an unusual camera",
            "avsync.checks.appearance:load",
            model="appearance",
            default=False,
        ),
    )
}


def asked_by_default() -> list[str]:
    """The names of the checks that are asked where none are named."""
    return [name for name, check in CHECKS.items() if check.default]
