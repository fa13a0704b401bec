"""Make partly fake clips out of real ones: in a stretch of the speech, something else is heard.

    python scripts/partial_fakes.py ROOT OUTPUT

Takes the real clips of a data set whose people report (`avsync.datasets.roles`), and writes a data set of the layout
`manifest`: each real clip, and copies of it in which a stretch of 0.6, 1, 2 or 3 s is

- the speech of another person,
- the person's own speech of another moment,
- the same speech, taken apart and put together again (`--rebuild`, a kind of `avsync.reconstruct.speech`),

at the loudness of what it replaces, faded in and out over 20 ms. Pictures are copied as they are, and the sound of all
clips is encoded in the same way. Nothing of it may enter training.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avsync.clip import SAMPLES
from avsync.datasets import ClipRecord, open_dataset, with_role
from avsync.errors import CannotJudge
from avsync.media import FPS, RATE
from avsync.reconstruct.speech import Rebuild, load_reconstruction
from avsync.recording import open_recording

LENGTHS = (0.6, 1.0, 2.0, 3.0)  # s
_MOST = 0.5  # of a clip that may be fake
_SPOKEN = 0.8  # of a stretch, on both sides
_FADE = RATE // 50
_APART = FPS  # frames between a moment and the one that replaces it

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Speech:
    """The sound of a clip, and the share of speech in each frame [T]."""

    record: ClipRecord
    sound: Samples
    share: NDArray[np.float32]

    def stretches(self, frames: int) -> list[int]:
        """Frames at which a stretch of so many frames begins that is mostly speech."""
        spoken = np.convolve(self.share, np.ones(frames) / frames, "valid")
        return np.flatnonzero(spoken >= _SPOKEN).tolist()


def main() -> None:
    """Write the clips and their table."""
    options = _options()
    records = [r for r in with_role(open_dataset(options.root), "report") if r.label == "real"]
    clips = [speech for record in records if (speech := _heard(record)) is not None]
    rng, rebuild = np.random.default_rng(options.seed), load_reconstruction(options.rebuild)
    options.output.mkdir(parents=True)
    with (options.output / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "identity", "method", "type", "audio_fake_segments", "visual_fake_segments"])
        for number, clip in enumerate(clips):
            versions = [("real", None, clip.sound), *_fakes(clip, clips, rng, rebuild)]
            for kind, span, sound in versions:
                name = f"{number:03}-{kind.replace(' ', '-')}.mp4"
                _write(clip.record.path, sound, options.output / name)
                row = [name, "real" if span is None else "fake", clip.record.identity, kind]
                table.writerow([*row, "RealVideo-FakeAudio" if span else "", f"[{list(span)}]" if span else "", ""])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make partly fake clips out of real ones.")
    parser.add_argument("root", type=Path, help="a data set with real clips")
    parser.add_argument("output", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--rebuild", default="mel_inversion", help="a kind of reconstruction (default: mel_inversion)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _heard(record: ClipRecord) -> Speech | None:
    try:
        recording = open_recording(record.path, record.audio)
        frames = int(recording.activity.duration * FPS)
        sound = recording.sound.reader().read(0, frames * SAMPLES)
    except CannotJudge:
        return None
    return Speech(record, sound, recording.activity.on_frames(0.0, frames))


def _fakes(
    clip: Speech, clips: Sequence[Speech], rng: np.random.Generator, rebuild: Rebuild
) -> Iterator[tuple[str, tuple[float, float], Samples]]:
    """The kind, the fake stretch (s) and the sound of each fake that can be made of a clip."""
    for seconds in LENGTHS:
        frames = round(seconds * FPS)
        places = clip.stretches(frames) if frames <= _MOST * len(clip.share) else []
        if not places:
            continue
        at = int(rng.choice(places))
        span = (at / FPS, (at + frames) / FPS)
        others = [o for o in clips if o.record.identity != clip.record.identity and o.stretches(frames)]
        moments = [place for place in places if abs(place - at) >= frames + _APART]
        if others:
            other = others[int(rng.integers(len(others)))]
            taken = _cut(other.sound, int(rng.choice(other.stretches(frames))), frames)
            yield f"another person {seconds:g} s", span, _spliced(clip.sound, at, taken)
        if moments:
            taken = _cut(clip.sound, int(rng.choice(moments)), frames)
            yield f"another moment {seconds:g} s", span, _spliced(clip.sound, at, taken)
        yield f"rebuilt {seconds:g} s", span, _spliced(clip.sound, at, _cut(rebuild(clip.sound, rng), at, frames))


def _cut(sound: Samples, at: int, frames: int) -> Samples:
    return sound[at * SAMPLES : (at + frames) * SAMPLES]


def _spliced(sound: Samples, at: int, stretch: Samples) -> Samples:
    """The sound with a stretch from frame `at` on replaced, as loud as before."""
    place = slice(at * SAMPLES, at * SAMPLES + len(stretch))
    level, new_level = (float(np.sqrt(np.mean(np.square(part, dtype=np.float64)))) for part in (sound[place], stretch))
    share = np.minimum(1.0, np.minimum(np.arange(len(stretch)), np.arange(len(stretch))[::-1]) / _FADE)
    spliced = sound.copy()
    spliced[place] = share * stretch * level / max(new_level, 1e-6) + (1 - share) * sound[place]
    return spliced.clip(-1, 1)


def _write(source: Path, sound: Samples, target: Path) -> None:
    """Write the pictures of a file as they are, with another sound."""
    with av.open(str(source)) as pictures, av.open(str(target), "w") as output:
        shown = pictures.streams.video[0]
        video = output.add_stream_from_template(shown)
        heard = output.add_stream("aac", rate=RATE, layout="mono")
        for packet in pictures.demux(shown):
            if packet.dts is not None:
                packet.stream = video
                output.mux(packet)
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(heard.encode(frame))
        output.mux(heard.encode(None))


if __name__ == "__main__":
    main()
