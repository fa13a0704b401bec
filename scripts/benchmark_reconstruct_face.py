"""How many pictures of faces are rebuilt and blended in a second: per kind, blending and camera. Prints Markdown.

    python scripts/benchmark_reconstruct_face.py [--data ROOT] [--size 128] [--runs 5]

Without `--data` the demo's drawn face is used. Figures are medians of runs that take turns.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import torch
from benchmark.report import Row, Tables, circumstances, say, to_markdown

from avsync.demo import make_clips
from avsync.reconstruct.camera import Camera, CameraChances
from avsync.reconstruct.face import BLENDINGS, FACE_RECONSTRUCTIONS, FaceFootage, load_face_reconstruction
from avsync.reconstruct.face.footage import read_footage
from avsync.reconstruct.face.rebuild import rebuild_face

_CLIPS = 2
_ALWAYS = CameraChances(1, 1, 1, 1, 1)
Job = Callable[[FaceFootage, np.random.Generator], object]


def main() -> None:
    """Measure everything by turns and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with videos of real faces (mp4)")
    parser.add_argument("--size", type=int, default=128, help="pixels of the side")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        clips = list(islice(_footage(options.data or _drawn(Path(folder)), options.size), _CLIPS))
    jobs = _jobs()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for run in range(options.runs + 1):  # the first is not counted
        for name, job in jobs.items():
            spent = _time(job, clips, run)
            if run:
                seconds[name].append(spent)
        say("runs", run, options.runs)
    pictures = sum(len(clip) for clip in clips)
    rows: list[Row] = [
        {
            "what": name,
            "pictures/s": pictures / median(wall for wall, _ in spent),
            "pictures per second of one core": pictures / median(cpu for _, cpu in spent),
        }
        for name, spent in seconds.items()
    ]
    measured = {"clips": len(clips), "pictures": pictures, "side": options.size, "threads": torch.get_num_threads()}
    facts: Row = {**measured, **circumstances()}
    tables: Tables = {"Reconstruction of faces": rows, "Measured with": [facts]}
    print(to_markdown(tables))


def _jobs() -> dict[str, Job]:
    def blended(kind: str, blending: str | None, matched: bool | None) -> Job:
        return lambda clip, rng: rebuild_face(clip, kind, rng, blending=blending, matched=matched)

    def alone(kind: str) -> Job:
        function = load_face_reconstruction(kind)
        return lambda clip, rng: function(clip, rng)

    jobs = {f"{kind} alone": alone(kind) for kind in FACE_RECONSTRUCTIONS}
    jobs |= {f"self_blended, {name}": blended("self_blended", name, False) for name in BLENDINGS}
    jobs |= {f"self_blended, {name}, matched": blended("self_blended", name, True) for name in BLENDINGS}
    jobs["self_blended, all drawn"] = blended("self_blended", None, None)
    jobs["camera, all drawn"] = lambda clip, rng: Camera(rng)(clip.pictures)
    jobs["camera, every effect"] = lambda clip, rng: Camera(rng, _ALWAYS)(clip.pictures)
    return jobs


def _time(job: Job, clips: list[FaceFootage], seed: int) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    wall, cpu = perf_counter(), process_time()
    for index, clip in enumerate(clips):
        job(clip, np.random.default_rng((seed, index)))
    return perf_counter() - wall, process_time() - cpu


def _footage(root: Path, size: int) -> Iterator[FaceFootage]:
    """The first face of each video, of people in turn as their folders are."""
    folders = sorted({path.parent for path in root.rglob("*.mp4")})
    for folder in folders:
        yield next(read_footage(min(folder.glob("*.mp4")), size=size))


def _drawn(folder: Path) -> Path:
    make_clips(folder)
    return folder


if __name__ == "__main__":
    main()
