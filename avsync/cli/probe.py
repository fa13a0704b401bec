"""What `avsync doctor` asks in a process of its own, because a broken library may crash or hang whoever imports it.

    python -c "from avsync.cli.probe import main; main('torch')"

prints one line of JSON: {"ok"}, with what to say, or {"fault"}, with what is wrong.
"""

import json
from collections.abc import Callable
from functools import partial

from avsync.errors import AvsyncError

# Their registry imports numpy, which may be what is broken; a test compares them.
FACES = ("dlib", "fan", "mesh")
# Of the files that people send; a build of FFmpeg may lack any of them.
_DECODERS = ("h264", "hevc", "vp9", "av1", "aac", "mp3", "opus")
_SECONDS = 120.0  # that the clip may take


def main(name: str) -> None:
    """Answer a probe."""
    try:
        answer = {"ok": PROBES[name]()}
    except AvsyncError as error:
        answer = {"fault": str(error)}
    except Exception as error:
        answer = {"fault": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


def _torch() -> str:
    import torch

    from avsync.encoders.registry import choose_device

    device = choose_device()
    if device.type == "cuda":
        return f"{torch.__version__}, computes on {torch.cuda.get_device_name(device)}"
    return f"{torch.__version__}, computes on the processor with {torch.get_num_threads()} threads; no GPU is seen"


def _av() -> str:
    import av

    libraries = (f"{name} {'.'.join(map(str, parts))}" for name, parts in sorted(av.library_versions.items()))
    lacking = [name for name in _DECODERS if name not in av.codecs_available]
    said = f"{av.__version__} with FFmpeg's {', '.join(libraries)}"
    return f"{said}; it cannot decode {', '.join(lacking)}" if lacking else said


def _faces(name: str) -> str:
    from avsync.face.interface import load_face_detector

    return f"{load_face_detector(name).key}, can be used"


def _weights() -> str:
    from avsync.weights.catalogue import KNOWN
    from avsync.weights.folder import folder
    from avsync.weights.present import is_here

    here = [name for name, known in KNOWN.items() if is_here(known)]
    return (
        f"{', '.join(here) or 'none'} in {folder()} or in the cache of huggingface_hub; avsync weights list shows all"
    )


def _judging() -> str:
    """Judge a clip as avsync score does: decode it, find speech and a face, load the embedded models, compare."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from avsync.demo import make_clips
    from avsync.isolation import IsolatedDetector

    with TemporaryDirectory(prefix="avsync-") as folder, IsolatedDetector(timeout=_SECONDS) as detector:
        clip, _ = make_clips(Path(folder), seconds=3.0)
        (verdict,) = detector.score_all([clip])
        if verdict.reason is not None:
            raise AvsyncError(f"a clip of the demo cannot be judged ({verdict.reason}: {verdict.detail})")
        network = "no network" if detector.facts.network_closed else "the network of this machine: it cannot be closed"
        return f"a clip of the demo was judged by {detector.facts.model}, in a worker process with {network}"


PROBES: dict[str, Callable[[], str]] = {
    "torch": _torch,
    "PyAV": _av,
    **{f"faces {name}": partial(_faces, name) for name in FACES},
    "weights": _weights,
    "judging": _judging,
}
