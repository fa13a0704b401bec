"""What a manipulation is: a change that a recording may go through without being a fake."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avsync.errors import AvsyncError

# Copies and verdicts of another number are not taken up again. Raise it when a manipulation gives other files.
RECIPES = 1

Kind = Literal["picture", "sound", "both"]
# "quick" is part of "full". "control": what the carrier alone does, beside either. "limits": steps of the scripts, to
# where nothing can be judged any more. "mixing": real speech mixed with another person's; "copy mixing": with a copy.
Suite = Literal["quick", "full", "control", "limits", "mixing", "copy mixing"]


class CannotManipulate(AvsyncError):
    """A clip that a manipulation cannot be made of; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a manipulation is made of.

    Attributes:
        path: the clip.
        audio: its sound file; None if the sound is in `path`.
        others: files with real speech of other people, or a copy of the clip, that a manipulation adds.
    """

    path: Path
    audio: Path | None = None
    others: tuple[Path, ...] = ()

    @property
    def sound_path(self) -> Path:
        """The file that holds the sound."""
        return self.audio or self.path


# From a source to a file whose name is the given one with an ending of its own; returns the file. The same chance gives
# the same file. Raises CannotManipulate, CannotJudge, or an error of FFmpeg, ValueError for what it cannot read.
Make = Callable[[Source, Path, random.Random], Path]


@dataclass(frozen=True, slots=True)
class Manipulation:
    """One row of the registry.

    Attributes:
        name: as tables call it.
        kind: what it changes. One of "picture" needs a picture, one of "sound" needs sound.
        strength: what exactly is done, for people.
        suite: when it is made.
        make: how it is made.
        others: how many `Source.others` it takes.
    """

    name: str
    kind: Kind
    strength: str
    suite: Suite
    make: Make
    others: int = 0
