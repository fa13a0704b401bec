"""Pairs of real speech and the same speech reconstructed, both through the same microphone, room and codec."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from scipy.signal import resample_poly

from avsync.files import write_whole
from avsync.reconstruct.channel import Chances, Channel
from avsync.reconstruct.speech import identity, load_reconstruction
from avsync.speech.level import LEVEL, gain_to
from avsync.speech.utterance import Utterance, Utterances
from avsync.workers import run_jobs

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]

SAMPLES = 32_000  # 2 s
_VERSION = 2  # raise it when the same settings give other pairs
_SHARD = 40  # pairs in a file
_SPEED = 0.15  # speech is played up to exp(0.15) times faster or slower: more voices than there are speakers
# A piece begins anywhere in so many samples of what was rebuilt, so that no grid of frames is learned.
_MARGIN = 1600
# Before speech is rebuilt: other microphones and rooms. After it: all that happens to a file until it is judged.
_BEFORE = Chances(equaliser=0.6, room=0.15, noise=0.4, cut=0.0, bend=0.0, codec=0.1)
_AFTER = Chances(equaliser=0.5, room=0.1, noise=0.5, cut=0.2, bend=0.1, codec=0.5)


class Pairs(NamedTuple):
    """Many pairs.

    Attributes:
        real, rebuilt: int16 [P, 32000].
        kinds: int64 [P], which reconstruction, as an index into `unique(kinds)` of `make_pairs`.
    """

    real: NDArray[np.int16]
    rebuilt: NDArray[np.int16]
    kinds: NDArray[np.int64]


class _Job(NamedTuple):
    """Pairs `first` to `first + pairs` of all, for one file of the cache."""

    path: Path
    files: tuple[Utterance, ...]
    kinds: tuple[str, ...]
    seed: int
    first: int
    pairs: int


def unique(kinds: Sequence[str]) -> list[str]:
    """The kinds without repetition, in the order in which they first come."""
    return list(dict.fromkeys(kinds))


def make_pairs(
    files: Sequence[Utterance],
    kinds: Sequence[str],
    count: int,
    seed: int,
    cache_folder: Path,
    *,
    workers: int,
    on_progress: Progress,
) -> Pairs:
    """Make pairs, or read those that an earlier run of the same files and settings made.

    The kinds take turns, those that are named twice twice as often; speakers are drawn alike. Everything else is drawn
    by the seed and the number of the pair.

    Args:
        files: of speech.
        kinds: of reconstruction (`avsync.reconstruct.speech`).
        count: pairs in all.
        seed: of all draws.
        cache_folder: where pairs are kept, in files that appear whole.
        workers: processes.
        on_progress: called with the number of pairs done and of all.

    Raises:
        UsageError: a kind that is not known or misses its package or weights.
        CannotJudge: a file that cannot be read.
    """
    for kind in unique(kinds):
        load_reconstruction(kind)
    said = repr((_VERSION, [file.key for file in files], [identity(kind) for kind in kinds], seed, SAMPLES))
    folder = cache_folder / f"pairs-{sha256(said.encode()).hexdigest()[:16]}"
    starts = range(0, count, _SHARD)
    paths = [folder / f"{start:06d}-{min(_SHARD, count - start)}.safetensors" for start in starts]
    missing = [(path, start) for path, start in zip(paths, starts, strict=True) if _read(path) is None]
    jobs = iter(
        _Job(path, tuple(files), tuple(kinds), seed, start, min(_SHARD, count - start)) for path, start in missing
    )
    done = count - sum(min(_SHARD, count - start) for _, start in missing)
    for made in run_jobs(_make, lambda: next(jobs, None), workers):
        done += made
        on_progress(done, count)
    shards = [shard for path in paths if (shard := _read(path)) is not None]
    return Pairs(*(np.concatenate(arrays) for arrays in zip(*shards, strict=True)))


def _read(path: Path) -> Pairs | None:
    try:
        arrays = load_file(path)
        return Pairs(arrays["real"], arrays["rebuilt"], arrays["kinds"])
    except (OSError, SafetensorError, KeyError):
        return None  # not there, or torn by a full disk: it is made again


def _make(job: _Job) -> Iterator[int]:
    utterances = Utterances(job.files)
    longest, made = round((SAMPLES + _MARGIN) * np.exp(_SPEED)) + 100, []
    for number in range(job.first, job.first + job.pairs):
        rng = np.random.default_rng((job.seed, number))
        kind = job.kinds[number % len(job.kinds)]
        heard = Channel(rng, _BEFORE)(_at_other_speed(utterances.random_piece(longest, rng), rng))
        made.append((*_pair(heard, kind, rng), unique(job.kinds).index(kind)))
    real, rebuilt, kinds = zip(*made, strict=True)
    write_whole(job.path, save({"real": np.stack(real), "rebuilt": np.stack(rebuilt), "kinds": np.array(kinds)}))
    yield job.pairs


def _pair(heard: Floats, kind: str, rng: np.random.Generator) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    rebuilt = _loaded(kind)(heard, rng)
    start, channel = rng.integers(_MARGIN), Channel(rng, _AFTER)
    real, fake = (channel(_levelled(x[start : start + SAMPLES])) for x in (heard, rebuilt))
    return _rounded(real), _rounded(fake)


@cache
def _loaded(kind: str) -> Callable[[Floats, np.random.Generator], Floats]:
    return load_reconstruction(kind)


def _at_other_speed(speech: Floats, rng: np.random.Generator) -> Floats:
    ratio = Fraction(float(np.exp(rng.uniform(-_SPEED, _SPEED)))).limit_denominator(40)
    played = resample_poly(speech, ratio.numerator, ratio.denominator)
    return np.asarray(played[: SAMPLES + _MARGIN], np.float32)


def _levelled(speech: Floats) -> Floats:
    return speech * np.float32(gain_to(LEVEL, speech))


def _rounded(speech: Floats) -> NDArray[np.int16]:
    return (speech * 32767).round().clip(-32768, 32767).astype(np.int16)
