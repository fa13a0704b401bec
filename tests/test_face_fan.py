"""FAN and S3FD, of the package face_alignment, behind `--faces fan`.

The published weights cannot be shipped. Files of the same format and shapes, a few kB because nearly all values are
zero, are read by the real classes; networks that answer as a test wants stand for trained ones.
"""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

import avsync.face.fan as module
from avsync import Detector
from avsync.errors import UsageError
from avsync.face import FACE_DETECTORS, PATCH_SIDE, load_face_detector
from avsync.face.boxes import overlap
from avsync.face.crop import square_around
from avsync.face.fan import peaks
from avsync.files import sha256_of
from avsync.weights.catalogue import KNOWN

NAMES = ("2DFAN4", "s3fd")
CELLS = 64


def gaussians(points):
    """Heat maps [N, 68, 64, 64] of points [N, 68, 2], as FAN is trained to draw them."""
    cells = torch.arange(CELLS, dtype=torch.float32)
    x, y = (cells - torch.as_tensor(points, dtype=torch.float32)[..., axis, None] for axis in (0, 1))
    return torch.exp(-(x[..., None, :] ** 2 + y[..., :, None] ** 2) / 2)


def drawn(seed, patches=3):
    """Points [N, 68, 2], in cells of heat maps."""
    return np.random.default_rng(seed).uniform(3, CELLS - 4, (patches, 68, 2)).astype(np.float32)


class TestPeaks:
    def test_are_exact_for_gaussians_anywhere_between_cells(self):
        points = drawn(0)
        np.testing.assert_allclose(peaks(gaussians(points)), points, atol=1e-3)

    def test_at_the_edge_stay_within_half_a_cell_of_the_map(self):
        points = np.full((1, 68, 2), [0.0, CELLS - 1], np.float32)
        np.testing.assert_allclose(peaks(gaussians(points)), points, atol=0.5)

    @pytest.mark.parametrize("value", [0.0, -1.0, 0.3])
    def test_of_flat_maps_are_finite(self, value):
        assert np.isfinite(peaks(torch.full((1, 68, CELLS, CELLS), value)).numpy()).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with both files of weights, in the format that PyTorch had when they were published."""
    pytest.importorskip("face_alignment", reason="needs avsync[fan]")
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    place = tmp_path_factory.mktemp("weights")
    for name, network in (("2DFAN4", FAN(4)), ("s3fd", s3fd())):
        state = {key: torch.zeros((), dtype=v.dtype).expand(v.shape) for key, v in network.state_dict().items()}
        if name == "s3fd":  # no face at any scale but that of 128 pixels, where each cell has one, 160 by 200
            state |= {key: torch.tensor([9.0, 0.0]) for key in state if key.endswith("_mbox_conf.bias")}
            state["conv3_3_norm_mbox_conf.bias"] = torch.tensor([9.0, 9.0, 9.0, 0.0])
            state["fc7_mbox_conf.bias"] = torch.tensor([0.0, 9.0])
            state["fc7_mbox_loc.bias"] = torch.tensor([0.0, 0.0, 5 * np.log(160 / 128), 5 * np.log(200 / 128)])
        torch.save(state, place / KNOWN[name].file, _use_new_zipfile_serialization=False)
    return place


@pytest.fixture
def published(files, monkeypatch):
    """Those files count as the published ones, and are where avsync looks for them."""
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(files))
    for name in NAMES:
        known = KNOWN[name]
        monkeypatch.setitem(KNOWN, name, replace(known, sha256=sha256_of(files / known.file)))
    return files


class Drawing(torch.nn.Module):
    """Draws heat maps of given points, in order, and keeps what it is asked to look at."""

    def __init__(self, points):
        super().__init__()
        self.maps, self.seen = list(gaussians(points)), []

    def forward(self, pictures):
        self.seen.append(pictures)
        maps, self.maps = self.maps[: len(pictures)], self.maps[len(pictures) :]
        return [torch.full((len(maps), 68, CELLS, CELLS), np.nan), torch.stack(maps)]


@pytest.fixture
def plain(monkeypatch):
    """A detector without package and files, for networks of the tests."""
    detector = object.__new__(module.FanFaceDetector)
    detector._points = detector._boxes = "file"
    detector._device = "cpu"
    return detector


class TestLandmarks:
    def test_are_the_peaks_of_the_last_maps_in_pixels_of_the_patch(self, plain, monkeypatch):
        points = drawn(1, patches=19)
        network = Drawing(points)
        monkeypatch.setattr(module, "_fan", lambda file, device: network)
        found = plain.landmarks(np.full((19, PATCH_SIDE, PATCH_SIDE), 255, np.uint8))
        assert (found.shape, found.dtype) == ((19, 68, 2), np.float32)
        np.testing.assert_allclose(found, (points + 0.5) * 3 - 0.5, atol=0.01)  # a cell has three pixels
        assert [len(seen) for seen in network.seen] == [8, 8, 3]

    def test_the_network_sees_three_equal_channels_of_256_pixels_from_0_to_1(self, plain, monkeypatch):
        network = Drawing(drawn(2, patches=1))
        monkeypatch.setattr(module, "_fan", lambda file, device: network)
        patch = np.tile(np.linspace(0, 255, PATCH_SIDE).astype(np.uint8), (PATCH_SIDE, 1))
        plain.landmarks(patch[None])
        (seen,) = network.seen
        assert seen.shape == (1, 3, 256, 256)
        assert (seen[:, 0] == seen[:, 2]).all()
        assert (float(seen.min()), float(seen.max())) == (0.0, 1.0)

    def test_of_no_patches_there_are_none(self, plain, monkeypatch):
        monkeypatch.setattr(module, "_fan", lambda file, device: None)
        assert plain.landmarks(np.empty((0, PATCH_SIDE, PATCH_SIDE), np.uint8)).shape == (0, 68, 2)


def seen_by_fan(left, top, right, bottom):
    """Centre and side of what face_alignment cuts out around a box (`get_landmarks_from_image` in its api.py)."""
    scale = (right - left + bottom - top) / 195
    return (left + right) / 2, (top + bottom) / 2 - 0.12 * (bottom - top), 200 * scale


class TestBoxes:
    def test_the_patch_of_a_box_about_points_shows_what_fan_is_trained_to_see(self, plain):
        points = np.random.default_rng(3).uniform(100, 300, (68, 2)).astype(np.float32)
        x, y, side = seen_by_fan(*points.min(axis=0), *points.max(axis=0))
        left, top, across = square_around(plain.box_of(points))
        np.testing.assert_allclose([left + across / 2, top + across / 2, across], [x, y, side], atol=1)

    def test_so_does_the_patch_of_a_box_that_is_found(self, plain, monkeypatch):
        class Finder:
            def detect_from_image(self, picture):
                assert picture.shape == (180, 320, 3)
                return [np.array([100, 40, 150, 100, 0.9]), [10.0, 20.0, 50.0, 70.0, 0.8]]

        monkeypatch.setattr(module, "_s3fd", lambda file, device: Finder())
        found = plain.find(np.zeros((720, 1280), np.uint8))
        for box, small in zip(found, [(100, 40, 150, 100), (10, 20, 50, 70)], strict=True):
            x, y, side = seen_by_fan(*(4 * value for value in small))
            left, top, across = square_around(box)
            np.testing.assert_allclose([left + across / 2, top + across / 2, across], [x, y, side], atol=1)

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (31, 31), (0, 5), (20, 4000)])
    def test_pictures_of_a_few_pixels_have_none(self, plain, size):
        assert plain.find_harder(np.zeros(size, np.uint8)) == []

    def test_a_closer_look_confirms_only_a_face_in_the_same_place(self, plain, monkeypatch):
        class Finder:
            def detect_from_image(self, picture):
                height, width = picture.shape[:2]  # a face in the middle of what it looks at, half as large
                return [[width / 4, height / 4, width * 3 / 4, height * 3 / 4, 0.9]] if picture.max() else []

        monkeypatch.setattr(module, "_s3fd", lambda file, device: Finder())
        picture = np.zeros((400, 800), np.uint8)
        picture[:, 400:] = 90
        assert plain.confirm(picture, (550.0, 150.0, 650.0, 250.0))
        assert not plain.confirm(picture, (150.0, 150.0, 250.0, 250.0))
        assert not plain.confirm(picture, (9000.0, 150.0, 9100.0, 250.0))


class TestWithThePackage:
    def test_the_networks_read_files_of_the_published_format(self, published):
        detector = load_face_detector("fan")
        points = detector.landmarks(np.full((2, PATCH_SIDE, PATCH_SIDE), 90, np.uint8))
        assert points.shape == (2, 68, 2)
        assert np.isfinite(points).all()

    def test_a_face_is_found_where_the_network_sees_it(self, published):
        found = load_face_detector("fan").find(np.full((256, 256), 90, np.uint8))
        x, y, side = seen_by_fan(112 - 80, 112 - 100, 112 + 80, 112 + 100)  # the cell of 32 pixels about 112, 112
        half = side / 1.6 / 2
        assert max(overlap(box, (x - half, y - half, x + half, y + half)) for box in found) > 0.5

    def test_files_that_the_package_has_fetched_itself_are_found(self, published, monkeypatch, tmp_path):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "empty"))
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        (tmp_path / "checkpoints").symlink_to(published)
        assert load_face_detector("fan").key == "fan-68/1"

    def test_it_is_loaded_without_asking_the_network_or_compiling(self, published, monkeypatch):
        def refuse(*words, **options):
            raise AssertionError

        monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
        monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
        monkeypatch.setattr("torch.compile", refuse)
        detector = load_face_detector("fan")
        module._fan.cache_clear()
        module._s3fd.cache_clear()
        assert detector.landmarks(np.zeros((1, PATCH_SIDE, PATCH_SIDE), np.uint8)).shape == (1, 68, 2)
        assert isinstance(detector.find(np.zeros((64, 64), np.uint8)), list)

    def test_the_embedded_model_needs_a_calibration_of_its_own(self, published):
        with pytest.raises(UsageError, match="detector dlib-68/2, asked with fan-68/1: run avsync calibrate ROOT"):
            Detector(faces="fan")


class TestWhatItNeeds:
    @pytest.fixture(autouse=True)
    def places(self, monkeypatch, tmp_path):
        """The package is there; the folder of weights and that of torch are empty."""
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
        monkeypatch.setitem(sys.modules, "face_alignment", ModuleType("face_alignment"))

    def test_without_the_package_the_error_says_how_to_install_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "face_alignment", None)
        with pytest.raises(UsageError, match=r"^--faces fan needs face_alignment \(.*\): pip install 'avsync\[fan\]'"):
            load_face_detector("fan")

    def test_without_the_weights_the_error_says_how_to_get_them(self, tmp_path):
        with pytest.raises(
            UsageError, match=r"^2DFAN4-\w+.pth.tar: not on this machine; run: avsync weights pull 2DFAN4"
        ):
            load_face_detector("fan")

    def test_other_files_are_not_read(self, tmp_path):
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / KNOWN["2DFAN4"].file).write_bytes(b"a pickle")
        with pytest.raises(
            UsageError, match="not the published file, its sha256 is another; delete it, then run: avsync"
        ):
            load_face_detector("fan")

    def test_the_key_is_known_without_either(self):
        assert FACE_DETECTORS["fan"].type.key == "fan-68/1"
