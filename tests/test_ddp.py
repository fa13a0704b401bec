"""Two processes that train together, with gloo on the CPU, beside one that takes batches twice as large."""

import csv
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import alive, descendants
from test_train import fill, halves, made_up, mel, mouths

from avsync.align.mlp.data import FrameRange, part_of
from avsync.align.segments import places
from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.train.config import load_config

CONFIGS = Path(__file__).parents[1] / "configs"
# Augmentation draws other numbers on each device: without it both trainings see the same batches.
COMMAND = """
from avsync.align.temporal import module
from avsync.align.temporal.inputs import mouth_pixels

module.augment_mouths = lambda crops, share, *_: mouth_pixels(crops, share)
module.augment_geometry = module.augment_mel = lambda values, _: values
if __name__ == "__main__":
    from avsync.cli import main
    main()
"""
SPEECH = (1.0, 0.8, 0.5, 0.4)  # devices hold different amounts of it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight clips of ann and cid to train on, two of bob to validate on, and the features of all."""
    folder, clips = tmp_path_factory.mktemp("ddp"), {}
    (folder / "command.py").write_text(COMMAND)
    for index, speaker in enumerate(["ann", "cid"] * 4 + ["bob"] * 2):
        video = folder / "real" / "dev" / "mp4" / speaker / f"video{index}" / "1.mp4"
        video.parent.mkdir(parents=True)
        video.write_text(f"content of {index}")
        clips[video] = torch.full((40,), SPEECH[index % 4])
    features = {"mouth+mel": (mouths, mel), "temporal": (halves, halves)}
    for backbone, (lips, speech) in features.items():
        made = {path: made_up(n, lips, speech, share=share) for n, (path, share) in enumerate(clips.items())}
        fill(folder / "cache", backbone, backbone == "mouth+mel", made)
    return folder


SETTINGS = {
    "default": ("model.width=8", "model.components=4", "model.dropout=0", "model.input_dropout=0", "trainer.epochs=3",
                "trainer.per_speaker=2", "trainer.segment=16"),
    "avhubert_mlp": ("backbone=temporal", "optim.lr=1e-3", "trainer.epochs=3"),
}  # fmt: skip


def arguments(folder, name, config, *settings):
    data = (f"data.root={folder / 'real'}", f"data.cache={folder / 'cache'}", "data.validation=[bob]")
    out = (f"trainer.output_dir={folder / name}", "trainer.loggers=[csv]", "data.num_workers=1")
    command = [sys.executable, folder / "command.py", "train", CONFIGS / f"{config}.yaml"]
    return [*map(str, command), *data, *out, *SETTINGS[config], *settings]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
TWO = ("trainer.devices=2", "trainer.strategy=ddp")


def run(folder, name, config, *settings):
    words = arguments(folder, name, config, *settings)
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done


def figures(folder, name, figure):
    rows = csv.DictReader((folder / name / "csv" / "version_0" / "metrics.csv").open())
    return [float(row[figure]) for row in rows if row[figure]]


@pytest.fixture(scope="module")
def runs(folder):
    """All trainings of this file, two at a time: most of the time Python imports PyTorch."""
    told = {
        "one": ("default", "trainer.batch_size=4"),
        "two": ("default", "trainer.batch_size=2", *TWO),
        "head one": ("avhubert_mlp", "trainer.frames=96"),
        "head two": ("avhubert_mlp", "trainer.frames=48", *TWO),
    }
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda name: run(folder, name, *told[name]), told)
        return dict(zip(told, results, strict=True))


class TestTwoDevices:
    def test_lose_as_much_as_one_with_twice_the_batch(self, runs, folder):
        """The encoders have batch norms, and the parts of a batch hold different amounts of speech."""
        one, two = (figures(folder, name, "train_loss") for name in ("one", "two"))
        assert len(one) == 3
        assert one == pytest.approx(two, rel=1e-4)
        assert figures(folder, "one", "retrieval") == pytest.approx(figures(folder, "two", "retrieval"), abs=0.02)

    def test_train_a_head_as_one_with_twice_the_batch_does(self, runs, folder):
        """Adam magnifies what float32 rounds: 0.0006 % apart in the first epoch, 0.3 % in the third.

        On one device, gradients of halves that are added up drift as far, and in float64 not at all.
        """
        one, two = (figures(folder, name, "train_loss") for name in ("head one", "head two"))
        assert one[0] == pytest.approx(two[0], rel=1e-4)
        assert one == pytest.approx(two, rel=1e-2)

    def test_say_once_what_they_did(self, runs, folder):
        assert runs["two"].stdout == f"{folder / 'two' / 'model.safetensors'}: trained\n"
        assert runs["two"].stderr == ""


def test_killed_and_started_again_two_devices_end_where_they_would_have(runs, folder):
    words = arguments(folder, "killed", "avhubert_mlp", "trainer.frames=48", "trainer.epochs=3", *TWO)
    process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = folder / "killed" / "checkpoints" / "last.ckpt"
    until = time.monotonic() + 120
    while not last.exists() and time.monotonic() < until:
        time.sleep(0.02)
    started = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "killed" / "model.safetensors").exists()
    assert started
    while any(map(alive, started)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, started))
    run(folder, "killed", "avhubert_mlp", "trainer.frames=48", *TWO)
    assert sha256_of(folder / "killed" / "model.safetensors") == sha256_of(folder / "head two" / "model.safetensors")


class TestPlaces:
    def test_of_two_devices_are_the_halves_of_every_batch(self):
        first, second = (places(11, 2, rank, 2) for rank in (0, 1))
        assert (first, second) == ([0, 1, 4, 5], [2, 3, 6, 7])

    def test_of_one_device_are_all(self):
        assert places(5, 2, 0, 1) == [0, 1, 2, 3, 4]

    def test_too_few_segments_are_a_usage_error(self):
        with pytest.raises(UsageError, match="3 segments are too few for 2 devices"):
            places(3, 2, 0, 2)


class TestParts:
    @pytest.mark.parametrize("devices", [1, 2, 3])
    def test_of_a_batch_are_all_of_its_frames_in_order(self, devices):
        batch = [FrameRange(None, 50, 10, 17), FrameRange(None, 50, 0, 3), FrameRange(None, 9, 8, 9)]
        frames = [(range_.frames, t) for range_ in batch for t in range(range_.start, range_.stop)]
        parts = [part_of(batch, rank, devices) for rank in range(devices)]
        dealt = [[(range_.frames, t) for range_ in part for t in range(range_.start, range_.stop)] for part in parts]
        assert [frame for part in dealt for frame in part] == frames
        assert np.ptp([len(part) for part in dealt]) <= 1

    def test_fewer_frames_than_devices_are_left_out_by_all(self):
        batch = [FrameRange(None, 50, 10, 12)]
        assert [part_of(batch, rank, 3) for rank in range(3)] == [[], [], []]


def test_recipes_that_know_one_device_refuse_more():
    with pytest.raises(UsageError, match="devices"):
        load_config(CONFIGS / "vocoder.yaml", ["data.root=speech", "trainer.devices=2"])


def test_another_strategy_is_a_usage_error():
    with pytest.raises(UsageError, match=r"trainer\.strategy auto or ddp"):
        load_config(CONFIGS / "default.yaml", ["data.root=real", "trainer.strategy=fsdp"])
