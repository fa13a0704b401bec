"""The engine on a real Ray cluster of this machine, with actors that are killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from engine_checks import EngineChecks
from engine_work import task
from talking import face, voice, write

from avsync.datasets.record import ClipRecord
from avsync.encoders.registry import load_backbone
from avsync.engine import LOCAL, End, Job, Pool, open_engine
from avsync.errors import Reason, UsageError
from avsync.face import load_face_detector
from avsync.features import FeatureStore
from avsync.features.extract import extract
from avsync.features.stages import encode_away
from avsync.isolation import IsolatedDetector, detector

ray = pytest.importorskip("ray", reason="needs the extra scale")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Ray's processes are found in /proc")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """The address of a cluster of two cores, without dashboard, network and usage statistics."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "120")
        patch.setenv("RAY_worker_niceness", "0")  # by default 15: on a busy machine tests would wait
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest.fixture(scope="module")
def engine(cluster):
    return open_engine("ray")


class TestRay(EngineChecks):
    """What engines share. Its fixture is the cluster's."""


class TestALostActor:
    def run(self, engine, orders, on_value=lambda value: None):
        found, ends = {}, {}
        with Pool(engine, task(), 2) as pool:
            for event in pool.map([Job(words, place=place) for place, words in enumerate(orders)]):
                place = event.job.place
                if isinstance(event, End):
                    assert place not in ends
                    ends[place] = event.refusal
                else:
                    found.setdefault(place, []).append(event.value["value"])
                    on_value(event.value)
        return found, ends

    def test_loses_nothing_and_does_nothing_twice(self, engine):
        actors = []

        def kill(value):
            if value["value"] == 1 and value["parent"] not in actors and len(actors) < 2:
                actors.append(value["parent"])
                os.kill(value["parent"], signal.SIGKILL)

        found, ends = self.run(engine, ["slow 4"] * 6, kill)
        assert len(actors) == 2
        assert found == {place: [0, 1, 2, 3] for place in range(6)}
        assert ends == dict.fromkeys(range(6))

    def test_a_job_that_kills_each_actor_is_refused_and_the_others_are_done(self, engine, capfd):
        found, ends = self.run(engine, ["say a", "behead x", "say b", "say c"])
        assert {place: values for place, values in found.items() if place != 1} == {0: ["a"], 2: ["b"], 3: ["c"]}
        assert found.get(1, [0]) == [0]  # given once, if it came before the actor's end
        assert (ends[1].reason, ends[1].detail) == (Reason.CRASHED, "its actor of Ray was lost, 3 times")
        assert capfd.readouterr().out == ""  # Ray's words would stand between the lines of --json

    def test_verdicts_are_those_of_this_machine(self, engine, tmp_path, monkeypatch):
        monkeypatch.setattr(detector, "FACTORY", "stand_in:Hostage")
        names = ["a", "segfault", "read", "dubbed", "raises", "b", "hang_1", "full", "c"]
        paths = [tmp_path / f"{name}.mp4" for name in names]
        for path in paths:
            path.write_bytes(b"?")

        def verdicts(where, kill):
            found = []
            with IsolatedDetector(jobs=2, engine=where) as isolated:
                for place, verdict in isolated.score_each(paths):
                    if not found and kill:
                        os.kill(parent_of(int(verdict.sha256.split()[0])), signal.SIGKILL)
                    found.append((place, {**verdict.to_dict(), "sha256": ""}))
            return sorted(found, key=lambda one: one[0])

        assert verdicts(engine, kill=True) == verdicts(LOCAL, kill=False)


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two people who talk, a file that is none, and a copy of the first."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [write(folder / f"{name}.mp4", face(seed=seed), voice(seed=seed)) for seed, name in enumerate(("a", "b"))]
    (folder / "text.mp4").write_text("no video")
    shutil.copy(paths[0], folder / "copy.mp4")
    return [*paths, folder / "text.mp4", folder / "copy.mp4"]


class TestVerbs:
    def test_extract_makes_the_features_of_this_machine(self, engine, clips, tmp_path):
        backbone, faces = load_backbone("mouth+mel", torch.device("cpu")), load_face_detector()
        records = [
            ClipRecord(path, path.name, "real", "RealVideo-RealAudio", "", path.stem, path.stem) for path in clips
        ]
        stores = [FeatureStore(tmp_path / name, backbone.key, "default", faces.key) for name in ("here", "ray")]
        here = extract(records, backbone, stores[0], faces=faces)
        away = extract(
            records,
            backbone,
            stores[1],
            faces=faces,
            workers=2,
            engine=engine,
            encode=encode_away("mouth+mel", None, engine, 1),
        )
        assert away == here
        assert [record.name for record, _ in away] == ["a.mp4", "b.mp4", "copy.mp4"]
        for _, key in here:
            for mine, other in zip(*(store.read(key) for store in stores), strict=True):
                assert torch.equal(mine.lip_features, other.lip_features)
                assert torch.equal(mine.speech_features, other.speech_features)
                assert (mine.track, mine.start, mine.core) == (other.track, other.start, other.core)

    def test_score_on_a_cluster_of_an_address_tells_what_it_tells_here(self, clips):
        from ray.util.client.server.server import serve

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = serve("127.0.0.1", port)
        try:
            there = score(clips[0], clips[2], "--engine", f"ray://127.0.0.1:{port}")
        finally:
            server.stop(0)
        assert there == score(clips[0], clips[2])
        assert [verdict["verdict"] for verdict in there] == ["consistent", "cannot_judge"]


def score(*words):
    """The verdicts that the command prints."""
    command = [sys.executable, "-m", "avsync", "score", "--json", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr  # one file is none
    return json.loads(done.stdout)["verdicts"]


def test_no_cluster_at_an_address_is_one_line(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", partial(_refuse))
    with pytest.raises(UsageError, match="no cluster answers at ray://nowhere:1") as raised:
        open_engine("ray://nowhere:1")
    assert "\n" not in str(raised.value)


def _refuse(**options):
    raise ConnectionError("ray client connection timeout\nsecond line")
