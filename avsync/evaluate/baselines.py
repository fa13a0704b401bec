"""Baselines that see no face and hear no voice: shortcuts that a detector trained on fakes may have learned."""

from collections.abc import Callable

from avsync.evaluate.results import StoredVerdict
from avsync.score.verdict import Verdict

# By name, a number of the recording. High is taken for fake; None where the recording has no such number.
BASELINES: dict[str, Callable[[Verdict], float | None]] = {
    "leading_silence": lambda verdict: verdict.leading_silence,
    "length": lambda verdict: verdict.duration,
}
# The same of sound alone (`avsync.evaluate.sound_facts`); the protocol says which side is taken for fake.
SPEECH_BASELINES: dict[str, Callable[[StoredVerdict], float | None]] = {
    "highest_frequency": lambda stored: stored.sound.highest_frequency if stored.sound else None,
    "leading_silence": lambda stored: stored.sound.leading_silence if stored.sound else stored.verdict.leading_silence,
    "length": lambda stored: stored.sound.seconds if stored.sound else stored.verdict.duration,
    "loudness": lambda stored: stored.sound.loudness if stored.sound else None,
}
