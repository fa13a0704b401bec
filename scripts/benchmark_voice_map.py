"""Measure whether the map of the voice check shows where a voice was rebuilt, and how long the check takes.

    python scripts/benchmark_voice_map.py ROOT --kind griffin_lim --kind hifigan:FILE --output runs/voice_map

ROOT is a folder of real speech by speaker. Of each file, one second in the middle of 3 s is replaced by the same second
rebuilt, with a cross-fade of 50 ms. It prints the share of files in which the most anomalous place of the map lies in
that second, by kind of reconstruction, with the share that chance gives. Name kinds that the model did not learn from.
Speakers that the model learned from are left out.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmark.report import Tables, circumstances, say, to_markdown
from numpy.typing import NDArray

from avsync.checkpoint import EMBEDDED_VOICE, load_checkpoint
from avsync.checks.voice import VoiceCheck
from avsync.clip import SAMPLES, SoundClip
from avsync.datasets import ClipRecord, open_dataset
from avsync.errors import AvsyncError, CannotJudge
from avsync.evaluate.json_files import write_json
from avsync.evaluate.metrics import Estimate, estimate, share
from avsync.evaluate.table import Row, to_plain
from avsync.media import RATE
from avsync.reconstruct.speech import load_reconstruction
from avsync.speech.utterance import read_speech
from avsync.voice.interface import VoiceModel

_SECONDS, _REBUILT, _FADE = 3, 1, 0.05  # s
_TIMED = 60  # s of speech
_RUNS = 5


def main() -> None:
    """Print a row for each kind, and the time that a minute of speech takes."""
    options = _options()
    try:
        checkpoint = load_checkpoint(options.weights or EMBEDDED_VOICE)
        if not isinstance(checkpoint.model, VoiceModel):
            sys.exit(f"benchmark_voice_map: {options.weights}: no model of the voice")
        check = VoiceCheck(checkpoint.model)
        learned = set(checkpoint.notes.get("provenance", {}).get("data", {}).get("trained_on", []))
        speakers, speech = _pieces([r for r in open_dataset(options.root) if r.speaker not in learned])
        facts = {**circumstances(), "weights_sha256": checkpoint.sha256, "files": len(speech)}
        print(", ".join(f"{name} {fact}" for name, fact in facts.items()), end="\n\n")
        tables: Tables = {
            "Where the map is highest": [_row(kind, speakers, speech, check) for kind in options.kind],
            "Time": [_timed(np.concatenate(speech), check)],
        }
        print(to_markdown(tables))
        write_json(options.output / "voice_map.json", {**facts, "tables": to_plain(tables)})
    except AvsyncError as error:
        sys.exit(f"benchmark_voice_map: {error}")


def _pieces(records: Sequence[ClipRecord]) -> tuple[list[str], list[NDArray[np.float32]]]:
    """The middle 3 s of each file that is long enough, and who speaks."""
    speakers, found = [], []
    for record in records:
        try:
            speech = read_speech(record.path)
        except CannotJudge:
            continue
        start = (len(speech) - _SECONDS * RATE) // 2
        if start >= 0:
            speakers.append(record.speaker)
            found.append(speech[start : start + _SECONDS * RATE])
    return speakers, found


def _row(kind: str, speakers: Sequence[str], speech: Sequence[NDArray[np.float32]], check: VoiceCheck) -> Row:
    rebuild, hits, higher = load_reconstruction(kind), [], []
    for number, real in enumerate(speech):
        rng = np.random.default_rng(number)
        start = float(rng.uniform(0.2, _SECONDS - _REBUILT - 0.2))
        rebuilt = _spliced(real, rebuild(real, rng), start)
        peak = check.measure(_clip(rebuilt)).peak
        assert peak is not None
        hits.append(start <= (peak.start + peak.end) / 2 <= start + _REBUILT)
        higher.append(_score(check, rebuilt) > _score(check, real))
        say(kind, number + 1, len(speech))
    return {
        "kind": kind,
        "files": len(speech),
        "highest place within the rebuilt second": _share(hits, speakers),
        "by chance": f"{_REBUILT / _SECONDS:.0%}",
        "score higher than that of the real file": _share(higher, speakers),
    }


def _share(flags: Sequence[bool], speakers: Sequence[str]) -> Estimate:
    flag = np.array(flags)
    return estimate(lambda weight: share(flag, weight), speakers)


def _spliced(real: NDArray[np.float32], rebuilt: NDArray[np.float32], start: float) -> NDArray[np.float32]:
    time_of = np.arange(len(real)) / RATE
    inside = np.clip(np.minimum(time_of - start, start + _REBUILT - time_of) / _FADE + 0.5, 0, 1)
    return (real + (rebuilt - real) * inside).astype(np.float32)


def _clip(speech: NDArray[np.float32]) -> SoundClip:
    return SoundClip(0.0, speech, np.ones(len(speech) // SAMPLES, np.float32))


def _score(check: VoiceCheck, speech: NDArray[np.float32]) -> float:
    return check.measure(_clip(speech)).readings["voice_anomaly"]


def _timed(speech: NDArray[np.float32], check: VoiceCheck) -> Row:
    """The median time of the check for a minute of speech, without decoding and speech detection."""
    minute = np.resize(speech, _TIMED * RATE)
    windows = [minute[start : start + _SECONDS * RATE] for start in range(0, len(minute), _SECONDS * RATE)]
    taken = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        for window in windows:
            check.measure(_clip(window))
        taken.append(time.perf_counter() - begin)
    return {"speech (s)": _TIMED, "time (s), median of 5": f"{np.median(taken):.2f}"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure where the map of the voice check is highest.")
    parser.add_argument("root", type=Path, help="folder of real speech by speaker")
    parser.add_argument("--weights", type=Path, help="a checkpoint of the voice; without it, the embedded one")
    parser.add_argument("--kind", action="append", default=[], help="reconstruction; may be repeated")
    parser.add_argument("--output", type=Path, default=Path("runs/voice_map"), help="folder of voice_map.json")
    options = parser.parse_args()
    options.kind = options.kind or ["griffin_lim"]
    return options


if __name__ == "__main__":
    main()
