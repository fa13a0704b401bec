"""KoDF (Kwon et al., ICCV 2021, arXiv 2103.10094): real and synthesised videos of Korean speakers, all with real sound.

What the folders below `original_videos` and below a method are called, its authors publish only with the data. A
folder there is taken for the person; a clip without one stands for itself.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.datasets.video import videos
from avsync.errors import UsageError

_LAYOUT = "original_videos/<person>/<clip>.mp4 and synthesized_videos/<method>/<person>/<clip>.mp4"
_REAL, _FAKE = "original_videos", "synthesized_videos"


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `kodf_release`, holds `original_videos` or `synthesized_videos`."""
    return _find_tree(root) is not None


def records(root: Path) -> list[ClipRecord]:
    """Return the real clips, then the fakes, each sorted. The method is the folder below `synthesized_videos`.

    Raises:
        UsageError: no such folders, or one of the two is missing or empty.
    """
    tree = _find_tree(root)
    if tree is None:
        raise UsageError(f"{root}: no folder {_REAL} there; expected {_LAYOUT}")
    found = []
    for folder in (_REAL, _FAKE):
        clips = videos(tree / folder, "**/*")
        if not clips:
            raise UsageError(f"{tree}: no clip in {folder}; expected {_LAYOUT}")
        found += [_record(tree, clip) for clip in clips]
    return found


def _find_tree(root: Path) -> Path | None:
    folders = (root, root / "kodf_release")
    return next((tree for tree in folders if any((tree / name).is_dir() for name in (_REAL, _FAKE))), None)


def _record(tree: Path, clip: Path) -> ClipRecord:
    folder, *between, _ = clip.relative_to(tree).parts
    real = folder == _REAL
    method = "real" if real else between.pop(0) if between else "unknown"
    person = between[0] if between else clip.stem
    return ClipRecord(
        path=clip,
        name=clip.relative_to(tree).as_posix(),
        label="real" if real else "fake",
        type=REAL_TYPE if real else "FakeVideo-RealAudio",
        method=method,
        identity=person,
        speaker=person,
    )


DATASET = Dataset(
    name="kodf",
    title="KoDF",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset({_FAKE}),
    mixed=frozenset({"kodf_release"}),
    about=About(
        holds="403 Korean people on video, and fakes of them by six methods of face swap and reenactment",
        size="62,166 real and 175,776 fake clips",
        licence="on request, by a form",
        source="https://deepbrainai-research.github.io/kodf; in Korea https://aihub.or.kr",
    ),
)
