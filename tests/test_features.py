"""What avsync.features promises: named backbones, bounded memory, and features that are made once."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avsync.align import TAU
from avsync.clip import SAMPLES, FaceClip
from avsync.datasets.record import ClipRecord
from avsync.demo import make_clips
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.features import Features, FeatureStore, encode_file, extract, load_backbone
from avsync.encoders.registry import Backbone, Spec, parse
from avsync.features.chunks import CHUNK_SECONDS, CONTEXT, with_context
from avsync.media import FPS
from avsync.speech import speech_activity


class TestNames:
    @pytest.mark.parametrize(
        ("name", "lips", "speech"),
        [
            ("avhubert", Spec("avhubert", None, None), Spec("avhubert", None, None)),
            ("avhubert@12", Spec("avhubert", None, 12), Spec("avhubert", None, 12)),
            ("avhubert:a+b.safetensors@3", *[Spec("avhubert", "a+b.safetensors", 3)] * 2),
            ("mouth+ssl:facebook/hubert@9", Spec("mouth", None, None), Spec("ssl", "facebook/hubert", 9)),
            ("avhubert@2+ssl:C:\\x@y@1", Spec("avhubert", None, 2), Spec("ssl", "C:\\x@y", 1)),
        ],
    )
    def test_say_which_encoders_and_layers(self, name, lips, speech):
        assert parse(name) == (lips, speech)

    @pytest.mark.parametrize(
        "name", ["", "hubert", "avhubert@", "avhubert:", "avhubert+", "temporal+temporal+temporal"]
    )
    def test_other_strings_are_usage_errors(self, name):
        with pytest.raises(UsageError, match="not a backbone"):
            load_backbone(name)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("ssl:x", "does not encode lips"),
            ("avhubert+mouth", "does not encode speech"),
            ("resnet:x", "does not encode speech"),
            ("mouth+ssl", "say which"),
            ("temporal@3", "layers"),
            ("temporal:missing.safetensors", "cannot be read"),
        ],
    )
    def test_what_cannot_be_is_said_in_one_line(self, name, said):
        with pytest.raises(UsageError, match=said) as error:
            load_backbone(name)
        assert "\n" not in str(error.value)

    def test_the_default_models_own_features_need_no_other_weights(self):
        backbone = load_backbone("temporal")
        assert backbone.lips.dim == backbone.speech.dim == 96
        assert load_backbone("temporal").key == backbone.key != load_backbone("mouth+temporal").key


def piece(frames, start, track=0):
    """A clip whose arrays say which frame they are."""
    number = np.arange(frames) + round(start * FPS)
    return FaceClip(
        track,
        start,
        np.zeros((frames, 1, 1), np.uint8),
        np.zeros((frames, 68, 2), np.float32),
        np.tile([0, 0, 100], (frames, 1)),
        np.repeat(number, SAMPLES).astype(np.float32),
        number.astype(np.float32),
    )


class TestChunks:
    @given(st.lists(st.integers(1, 1150), min_size=1, max_size=5))
    @settings(deadline=None, max_examples=50)
    def test_cores_cover_a_track_once_and_see_its_neighbours(self, lengths):
        starts = np.cumsum([0, *lengths[:-1]]) / FPS
        chunks = list(with_context(piece(n, start) for n, start in zip(lengths, starts, strict=True)))
        total = sum(lengths)
        np.testing.assert_array_equal(np.concatenate([c.clip.speech[c.core] for c in chunks]), np.arange(total))
        for chunk in chunks:
            first, last = chunk.clip.speech[0], chunk.clip.speech[-1]
            np.testing.assert_array_equal(chunk.clip.speech, np.arange(first, last + 1))
            assert len(chunk.clip.waveform) == SAMPLES * len(chunk.clip)
            assert len(chunk.clip) <= CHUNK_SECONDS * FPS

    def test_context_is_two_seconds(self):
        chunks = list(with_context(piece(1150, start) for start in (0, 46, 92)))
        assert [(c.core.start, len(c.clip) - c.core.stop) for c in chunks] == [
            (0, CONTEXT),
            (CONTEXT, CONTEXT),
            (CONTEXT, 0),
        ]

    def test_a_gap_ends_the_context(self):
        chunks = list(with_context([piece(100, 0), piece(100, 5)]))
        assert [len(chunk.clip) for chunk in chunks] == [100, 100]

    def test_tracks_do_not_mix_and_do_not_wait_for_the_end(self):
        many = (piece(100, start=4.0 * track, track=track) for track in range(1000))
        drawn = 0

        def counted():
            nonlocal drawn
            for clip in many:
                drawn += 1
                yield clip

        for done, chunk in enumerate(with_context(counted())):
            assert chunk.clip.track == done
            assert drawn - done <= 4


def features(frames=60, dim=8, seed=0, **changes):
    rng = torch.Generator().manual_seed(seed)
    made = Features(
        track=3,
        start=1.2,
        box=np.array([1.0, 2.0, 101.0, 102.0]),
        lips=torch.randn(frames, dim, generator=rng),
        speech=torch.randn(frames, dim, generator=rng),
        weight=torch.rand(frames, generator=rng),
        core=slice(5, frames - 5),
    )
    return replace(made, **changes)


class TestStore:
    @pytest.fixture
    def store(self, tmp_path):
        return lambda key="backbone": FeatureStore(tmp_path, key, "default")

    def test_gives_back_what_it_was_given_as_float16(self, store):
        with store().writer() as writer:
            for seed in (1, 2):
                writer.stretch("key", features(seed=seed))
            writer.finish("key")
        for seed, read in zip((1, 2), store().read("key"), strict=True):
            given_ = features(seed=seed)
            assert (read.track, read.start, read.core) == (given_.track, given_.start, given_.core)
            assert read.lips.dtype == torch.float16
            torch.testing.assert_close(read.lips.float(), given_.lips, atol=2e-3, rtol=1e-3)
            torch.testing.assert_close(read.weight, given_.weight)

    def test_pictures_stay_what_they_are(self, store):
        crops = torch.randint(0, 256, (60, 96, 96), dtype=torch.uint8)
        with store().writer() as writer:
            writer.stretch("key", features(lips=crops))
            writer.finish("key")
        (read,) = store().read("key")
        assert torch.equal(read.lips, crops)

    def test_a_file_counts_when_it_is_finished(self, store):
        with store().writer() as writer:
            writer.stretch("whole", features())
            writer.finish("whole")
            writer.stretch("half", features())
        assert "whole" in store()
        assert "half" not in store()

    def test_a_refusal_is_kept_with_its_reason(self, store):
        with store().writer() as writer:
            writer.refuse("key", Reason.NO_FACE, "no face is seen")
        assert store().refusal("key") == (Reason.NO_FACE, "no face is seen")
        with pytest.raises(CannotJudge, match="no face is seen"):
            list(store().read("key"))

    def test_training_reads_the_longest_stretch_without_its_margins(self, store):
        with store().writer() as writer:
            writer.stretch("key", features(40, seed=1))
            writer.stretch("key", features(80, seed=2))
            writer.finish("key")
        clip = store().longest(None, "key")
        assert clip.frames() == 70
        np.testing.assert_allclose(clip.read("lips", 10, 20), features(80, seed=2).lips[15:25].half().numpy())
        assert clip.read("weight").shape == (70,)

    def test_other_backbones_and_trims_are_other_stores(self, store, tmp_path):
        with store().writer() as writer:
            writer.refuse("key", Reason.NO_FACE, "")
        assert "key" not in store("other")
        assert "key" not in FeatureStore(tmp_path, "backbone", "paper")

    @pytest.mark.parametrize("keep", [0, 7, 100, -1])
    def test_a_damaged_shard_is_a_usage_error(self, store, keep):
        with store().writer() as writer:
            writer.stretch("key", features())
            writer.finish("key")
        (shard,) = store().folder.glob("*.safetensors")
        shard.write_bytes(shard.read_bytes()[:keep])
        with pytest.raises(UsageError, match="damaged; delete it"):
            store()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Two talking clips, one of them twice, a text file and a file that is not there."""
    folder = tmp_path_factory.mktemp("clips")
    one, two = make_clips(folder, seconds=2.0)
    shutil.copy(one, folder / "copy.mp4")
    (folder / "text.mp4").write_text("no video")
    names = (one.name, "text.mp4", "copy.mp4", two.name, "missing.mp4")
    return [ClipRecord(folder / n, n, "real", "RealVideo-RealAudio", "real", n, n) for n in names]


class TestExtract:
    @pytest.fixture
    def backbone(self):
        return load_backbone("temporal")

    def test_is_done_once_and_leaves_out_what_cannot_be_judged(self, records, backbone, tmp_path, monkeypatch, caplog):
        steps = []
        store = FeatureStore(tmp_path, backbone.key, "default")
        kept = extract(records, backbone, store, hook=lambda *step: steps.append(step))
        assert [record.name for record, _ in kept] == ["in_sync.mp4", "copy.mp4", "dubbed.mp4"]
        assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]  # the copy is the same content
        assert "text.mp4: left out, unreadable" in caplog.text
        monkeypatch.setattr(Backbone, "encode", lambda *_: pytest.fail("encoded again"))
        again = FeatureStore(tmp_path, backbone.key, "default")
        assert extract(records, backbone, again) == kept

    def test_what_is_stored_is_what_scoring_would_make(self, records, backbone, tmp_path):
        store = FeatureStore(tmp_path, backbone.key, "default")
        extract(records[:1], backbone, store)
        (stored,) = store.read(records[0].content_key())
        (made,) = encode_file(records[0].path, backbone, speech_activity(records[0].path))
        assert (stored.track, stored.start, stored.core) == (made.track, made.start, made.core)
        assert len(made.lips) <= made.core.stop - made.core.start + 2 * TAU
        torch.testing.assert_close(stored.lips.float(), made.lips, atol=1e-3, rtol=1e-3)

    def test_several_processes_make_the_same(self, records, backbone, tmp_path):
        one, two = (FeatureStore(tmp_path / name, backbone.key, "default") for name in ("one", "two"))
        assert extract(records, backbone, one) == extract(records, backbone, two, workers=2)
        for _, key in extract(records, backbone, one):
            for mine, other in zip(one.read(key), two.read(key), strict=True):
                assert torch.equal(mine.lips, other.lips)
                assert torch.equal(mine.speech, other.speech)
