"""A rebuilt face keeps who speaks and what is said: nothing changes outside its mask, and what changes is known."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from face_footage import footage_of
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from avsync.errors import UsageError
from avsync.reconstruct.face import BLENDINGS, FACE_RECONSTRUCTIONS, REGIONS, FaceFootage, load_face_reconstruction
from avsync.reconstruct.face.colour import with_colours_of
from avsync.reconstruct.face.footage import paste
from avsync.reconstruct.face.outline import around, steady, wavering
from avsync.reconstruct.face.poisson import membrane
from avsync.reconstruct.face.pyramid import collapsed, laplacian
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.face.regions import outline_of
from avsync.reconstruct.face.registry import imported
from avsync.reconstruct.face.retimed_mouth import _moments
from avsync.reconstruct.face.seam import _closed_path, least_visible
from avsync.reconstruct.face.sharpness import noise_level, with_detail_of, with_grain_of
from avsync.reconstruct.face.tensors import blurred, to_pictures, to_tensor
from avsync.reconstruct.face.warp import aligned, back, carried

KINDS = list(FACE_RECONSTRUCTIONS)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def footage():
    return footage_of(12, 96)


@pytest.fixture(scope="module")
def source(footage):
    """The reconstruction of every kind before it is blended, made once."""
    kept = {}

    def get(kind, seed=0):
        if (kind, seed) not in kept:
            kept[kind, seed] = np.asarray(load_face_reconstruction(kind)(footage, rng(seed)), np.float32)
        return kept[kind, seed]

    return get


def inside(footage, region="hull"):
    """Where a part of the face is, bool [T, S, S]."""
    face = steady(footage)
    return outline_of(region, face.points).mask(face.grid(footage.pictures.shape[2]), 0.01) > 0.5


def detail(pictures):
    """Energy of the finest band."""
    return float(laplacian(to_tensor(pictures), 1)[0].square().mean())


def unsteadiness(pictures, mask):
    """Mean change of a pixel against the mean of the picture before and the one after, in grey levels."""
    around_it = (pictures[:-2].astype(float) + pictures[2:]) / 2
    return float(np.abs(pictures[1:-1] - around_it)[mask[1:-1]].mean())


class TestEveryKind:
    @pytest.mark.parametrize("kind", KINDS)
    def test_changes_nothing_outside_its_mask_and_something_inside(self, kind, footage):
        for seed in range(3):
            done = rebuild_face(footage, kind, rng(seed))
            assert (done.pictures.shape, done.pictures.dtype) == (footage.pictures.shape, np.uint8)
            assert (done.mask.shape, done.mask.dtype) == (footage.pictures.shape[:3], np.float32)
            assert 0 <= done.mask.min() < 0.2 < done.mask.max() <= 1
            outside = done.mask == 0
            np.testing.assert_array_equal(done.pictures[outside], footage.pictures[outside])
            assert np.abs(done.pictures.astype(float) - footage.pictures)[done.mask > 0.2].mean() > 0.05

    @pytest.mark.parametrize("kind", KINDS)
    def test_is_drawn_by_the_generator_alone(self, kind, footage):
        one, same, other = (rebuild_face(footage, kind, rng(seed)) for seed in (1, 1, 2))
        assert one.pictures.tobytes() == same.pictures.tobytes()
        assert one.mask.tobytes() == same.mask.tobytes()
        assert one.pictures.tobytes() != other.pictures.tobytes()

    @pytest.mark.parametrize("kind", KINDS)
    def test_leaves_the_footage_as_it_was(self, kind, footage):
        before = footage.pictures.copy(), footage.points.copy()
        rebuild_face(footage, kind, rng())
        np.testing.assert_array_equal(footage.pictures, before[0])
        np.testing.assert_array_equal(footage.points, before[1])

    @pytest.mark.parametrize("kind", KINDS)
    def test_shows_the_same_face_in_the_same_place(self, kind, footage, source):
        mine, theirs = (pictures[inside(footage)] for pictures in (source(kind), footage.pictures))
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.6

    @pytest.mark.parametrize("kind", KINDS)
    def test_takes_one_picture(self, kind, footage):
        done = rebuild_face(footage[4:5], kind, rng())
        assert done.pictures.shape == (1, 96, 96, 3)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if FACE_RECONSTRUCTIONS[kind].frames > 2])
    def test_that_needs_several_pictures_leaves_a_single_one_alone(self, kind, footage):
        single = footage[4:5]
        found = np.asarray(load_face_reconstruction(kind)(single, rng()), np.float32)
        assert np.abs(found - single.pictures)[inside(single)].mean() < 0.5

    @pytest.mark.parametrize("kind", KINDS)
    def test_replaces_only_the_parts_it_may(self, kind, footage):
        allowed = np.any([inside(footage, region) for region in FACE_RECONSTRUCTIONS[kind].regions], axis=0)
        wider = torch.nn.functional.max_pool2d(torch.from_numpy(allowed)[:, None].float(), 13, 1, 6)[:, 0].numpy() > 0
        for seed in range(3):
            assert not (rebuild_face(footage, kind, rng(seed)).mask[~wider] > 0).any()


class TestWhatKindsChange:
    def test_self_blended_faces_have_other_colours_and_other_sharpness(self, footage, source):
        mask = inside(footage)
        shifts = [
            source("self_blended", seed)[mask].mean(axis=0) - footage.pictures[mask].mean(axis=0) for seed in range(6)
        ]
        assert np.abs(shifts).max() > 8
        ratios = [detail(source("self_blended", seed)) / detail(footage.pictures) for seed in range(6)]
        assert min(ratios) < 0.6
        assert max(ratios) > 1.1

    def test_self_blended_faces_change_in_the_same_way_on_all_pictures(self, footage, source):
        changes = source("self_blended") - footage.pictures
        means = [change[here].mean(axis=0) for change, here in zip(changes, inside(footage), strict=True)]
        assert np.std(means, axis=0).max() < 1.5

    def test_low_resolution_loses_fine_detail_and_keeps_coarse(self, footage, source):
        for seed in range(4):
            assert detail(source("low_resolution", seed)) < 0.7 * detail(footage.pictures)
            coarse = [
                blurred(to_tensor(pictures), 6.0) for pictures in (source("low_resolution", seed), footage.pictures)
            ]
            assert float((coarse[0] - coarse[1]).abs().mean()) < 3

    def test_carried_skin_has_the_same_grain_on_all_pictures(self, footage, source):
        """Noise of a camera is new on each picture; that of a still is not."""

        def alike(pictures):
            face = steady(footage, 0.8)
            noise = laplacian(aligned(to_tensor(pictures), face), 1)[0][:, :, 25:40, 35:60].numpy()
            return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(noise)])

        assert 1 - alike(source("carried_texture")) < 0.5 * (1 - alike(footage.pictures))

    def test_carried_skin_leaves_eyes_and_the_inner_mouth_alone(self, footage, source):
        face = steady(footage, 0.8)
        for part in (slice(36, 42), slice(42, 48), slice(60, 68)):
            here = around(face.points[:, part]).scaled(0.5).mask(face.grid(96), 0.01) > 0.5
            assert here.any()
            assert np.abs(source("carried_texture") - footage.pictures)[here].max() < 1

    @pytest.mark.parametrize("kind", ["smoothed", "interpolated"])
    def test_smoothed_and_interpolated_faces_change_less_from_picture_to_picture(self, kind, footage, source):
        mask = inside(footage)
        assert unsteadiness(source(kind), mask) < 0.95 * unsteadiness(footage.pictures, mask)

    def test_interpolated_faces_keep_every_nth_picture(self, footage, source):
        errors = np.abs(source("interpolated") - footage.pictures).mean(axis=3)
        kept = [float(picture[here].mean()) for picture, here in zip(errors, inside(footage), strict=True)]
        every = [n for n in (2, 3, 4) if np.mean(kept[::n]) < 0.5 * np.mean([e for at, e in enumerate(kept) if at % n])]
        assert every

    def test_flicker_changes_more_from_picture_to_picture(self, footage, source):
        mask = inside(footage)
        assert unsteadiness(source("flicker"), mask) > 1.05 * unsteadiness(footage.pictures, mask)

    def test_a_retimed_mouth_is_the_mouth_of_another_moment(self):
        footage = footage_of(24, 96)
        rebuilt = np.asarray(load_face_reconstruction("retimed_mouth")(footage, rng(3)))
        dark = [_inner_mouth(pictures, footage) for pictures in (rebuilt, footage.pictures)]
        fits = {shift: _fit(dark[0], dark[1], shift) for shift in range(-8, 9)}
        assert max(fits, key=fits.get) != 0

    @settings(deadline=None, max_examples=50)
    @given(count=st.integers(1, 200), seed=st.integers(0, 99))
    def test_a_retimed_mouth_says_everything_in_order(self, count, seed):
        moments = _moments(count, rng(seed))
        assert len(moments) == count
        assert (np.diff(moments) >= 0).all()
        assert 0 <= moments[0] <= moments[-1] < count
        assert np.abs(moments - np.arange(count)).max() <= 13


def _inner_mouth(pictures, footage):
    """How dark the middle of the mouth is, float [T]."""
    middle = footage.points[:, 60:68].mean(axis=1).round().astype(int)
    return np.array([picture[y - 4 : y + 5, x].mean() for picture, (x, y) in zip(pictures, middle, strict=True)])


def _fit(one, other, shift):
    a, b = (one[shift:], other[: len(other) - shift]) if shift >= 0 else (one[:shift], other[-shift:])
    return np.corrcoef(a, b)[0, 1]


class TestBlending:
    @pytest.mark.parametrize("matched", [False, True])
    @pytest.mark.parametrize("blending", BLENDINGS)
    def test_a_picture_with_itself_is_the_picture(self, blending, matched, footage, monkeypatch):
        monkeypatch.setattr(
            "avsync.reconstruct.face.rebuild.load_face_reconstruction", lambda *_: lambda shown, _: shown.pictures
        )
        done = rebuild_face(footage, "self_blended", rng(), blending=blending, matched=matched)
        assert np.abs(done.pictures.astype(int) - footage.pictures).max() <= 1

    @pytest.mark.parametrize("blending", BLENDINGS)
    def test_without_a_mask_nothing_changes(self, blending, footage):
        blend = imported(BLENDINGS[blending].function)
        target = to_tensor(footage.pictures)
        found = blend(target.flip(0), target, torch.zeros(len(footage), 1, 96, 96))
        assert torch.equal(found, target)

    @pytest.mark.parametrize("blending", BLENDINGS)
    def test_well_inside_the_mask_the_detail_is_that_of_the_source(self, blending):
        noise = torch.from_numpy(rng().normal(0, 10, (1, 3, 96, 96)).astype(np.float32))
        target, mask = torch.full((1, 3, 96, 96), 120.0), _disc(96, 40)
        found = imported(BLENDINGS[blending].function)(target + noise, target, mask)
        fine = (laplacian(found, 1)[0] - laplacian(noise, 1)[0])[..., 40:56, 40:56]
        assert float(fine.abs().max()) < 0.5

    @pytest.mark.parametrize(("blending", "share"), [("feathered", 1.0), ("multiband", 1.01), ("poisson", 0.1)])
    def test_gradients_hide_a_step_of_colour(self, blending, share):
        target, mask = torch.full((1, 3, 96, 96), 120.0), _disc(96, 40)
        found = imported(BLENDINGS[blending].function)(target + 15, target, mask)
        assert float((found - target).abs().max()) <= 15 * share

    def test_an_unknown_one_is_refused_with_those_there_are(self, footage):
        with pytest.raises(
            UsageError, match=r"'glued': not a way of blending; choose from feathered, multiband, poisson"
        ):
            rebuild_face(footage, "self_blended", rng(), blending="glued")

    def test_a_share_of_the_reconstruction_is_drawn_unless_it_is_to_be_hidden(self, footage):
        most = [rebuild_face(footage[:1], "self_blended", rng(seed), matched=False).mask.max() for seed in range(24)]
        assert {round(float(value), 2) for value in most} == {0.25, 0.5, 0.75, 1.0}
        assert rebuild_face(footage[:1], "self_blended", rng(), matched=True).mask.max() == 1


def _disc(size, radius):
    """A mask with a soft edge, float32 [1, 1, size, size]."""
    places = np.arange(size) - (size - 1) / 2
    depth = ((radius - np.hypot(places, places[:, None])) / 12).clip(0, 1)
    return torch.from_numpy((depth * depth * (3 - 2 * depth)).astype(np.float32))[None, None]


class TestPyramid:
    @settings(deadline=None, max_examples=20)
    @given(height=st.integers(9, 70), width=st.integers(9, 70))
    def test_collapses_to_the_pictures_of_any_size(self, height, width):
        pictures = torch.from_numpy(rng().normal(0, 50, (2, 3, height, width)).astype(np.float32))
        torch.testing.assert_close(collapsed(laplacian(pictures)), pictures, atol=1e-3, rtol=0)


class TestMembrane:
    def test_is_a_plane_where_the_edge_is_one(self):
        x = torch.arange(32.0).expand(1, 1, 32, 32)
        known = torch.ones(1, 1, 32, 32)
        known[..., 8:24, 8:24] = 0
        torch.testing.assert_close(membrane(x * known, known), x, atol=1.0, rtol=0)

    def test_stays_between_the_values_at_the_edge(self):
        values = torch.from_numpy(rng().uniform(-10, 20, (2, 3, 48, 48)).astype(np.float32))
        known = torch.ones(2, 1, 48, 48)
        known[..., 10:40, 5:30] = 0
        found = membrane(values, known)
        assert -10 <= float(found.min()) <= float(found.max()) <= 20
        assert torch.equal(found[known.expand_as(found) > 0], values[known.expand_as(values) > 0])


class TestMatching:
    def test_colours_become_those_of_the_target_in_each_region(self, footage):
        target = to_tensor(footage.pictures)
        regions = torch.zeros(len(footage), 2, 96, 96)
        regions[:, 0, :48], regions[:, 1, 48:] = 1, 1
        face = torch.ones(len(footage), 1, 96, 96)
        tinted = target * torch.tensor([0.9, 1.0, 0.85])[:, None, None] + 8
        found = with_colours_of(tinted, target, regions, face)
        for half in (slice(4, 44), slice(52, 92)):
            wanted, before, after = (_lab(pictures[:, :, half]) for pictures in (target, tinted, found))
            assert np.abs(after - wanted).max() < 0.25 * np.abs(before - wanted).max()

    def test_detail_becomes_as_strong_as_that_of_the_target(self, footage):
        target = to_tensor(footage.pictures)
        soft = blurred(target, 0.5)
        found = with_detail_of(soft, target, torch.ones(len(footage), 1, 96, 96))
        energies = [float(laplacian(pictures, 1)[0].square().mean()) for pictures in (soft, found, target)]
        assert energies[0] < energies[1] < 1.1 * energies[2]

    def test_noise_is_measured_and_added_until_it_is_as_strong(self):
        mask = torch.ones(4, 1, 96, 96)
        plain = torch.full((4, 3, 96, 96), 120.0)
        noisy = plain + torch.from_numpy(rng().normal(0, 6, (4, 1, 96, 96)).astype(np.float32))
        assert noise_level(plain, mask) == 0
        assert noise_level(noisy, mask) == pytest.approx(6, rel=0.1)
        found = with_grain_of(plain, noisy, mask, rng())
        assert float((found - plain).std()) == pytest.approx(6, rel=0.1)
        assert torch.equal(with_grain_of(noisy, plain, mask, rng()), noisy)


def _lab(pictures):
    return rgb2lab(to_pictures(pictures).clip(0, 255) / 255).reshape(-1, 3).mean(axis=0)


class TestOutline:
    def test_encloses_the_hull_of_its_points(self, footage):
        face = steady(footage)
        mask = around(face.points).scaled(1.05).mask(face.grid(96), 0.001)
        for picture, points in zip(mask, footage.points[:, 17:48], strict=True):
            x, y = points.round().astype(int).T
            assert (picture[y, x] > 0).all()

    def test_of_a_square_is_a_square(self):
        corners = np.array([[0, 100, 100 + 100j, 100j]]) + (50 + 50j)
        grid = (np.arange(200) + 1j * np.arange(200)[:, None])[None].astype(np.complex64)
        mask = around(corners).mask(grid, 0.01)[0] > 0.5
        assert mask[55:146, 55:146].all()
        assert not mask[:48].any()
        assert not mask[:, 153:].any()

    @pytest.mark.parametrize("region", REGIONS)
    def test_of_every_part_lies_in_the_picture_and_is_smooth_in_time(self, region, footage):
        face = steady(footage)
        outline = outline_of(region, face.points)
        mask = outline.mask(face.grid(96), 0.3)
        assert 0.01 < mask.mean() < 0.6
        assert np.abs(np.diff(outline.radii, axis=0)).max() < 4  # of 256 pixels
        assert mask[:, 0].max() == mask[:, :, 0].max() == 0

    def test_parts_lie_where_they_should(self, footage):
        mouth, lower, face, hull = (inside(footage, region).sum() for region in REGIONS)
        assert mouth < lower < hull
        assert face < hull
        assert not (inside(footage, "mouth") & ~inside(footage, "hull")).any()

    def test_a_jump_of_the_square_moves_no_mask(self, footage):
        """The same face in the picture, cut out at another place and size."""
        face = steady(footage)
        centre = face.pixels(face.points).mean(axis=1)
        scale = footage.squares[:, 2] / footage.pictures.shape[2]
        there = (centre + 0.5 + 0.5j) * scale + footage.squares[:, 0] + 1j * footage.squares[:, 1]
        assert np.abs(np.diff(there)).max() < 1.0

    def test_waves_are_smooth_and_about_one(self):
        factors = wavering(rng(), 0.04)
        assert factors.shape == (128,)
        assert 0.7 < factors.min() < 1 < factors.max() < 1.4
        assert np.abs(np.diff(factors, append=factors[0])).max() < 0.05


class TestSeam:
    def test_runs_where_the_pictures_differ_least(self, footage):
        target = to_tensor(footage.pictures)
        face = steady(footage)
        outline = outline_of("hull", face.points)
        grid = face.grid(96)
        apart = torch.from_numpy(outline.scaled(0.9).mask(grid, 0.02))[:, None]
        found = least_visible(target + 40 * (1 - apart), target, face, outline, 0.1)
        assert (found.radii / outline.radii < 0.97).all()
        assert least_visible(target, target, face, outline, 0.1).radii == pytest.approx(outline.radii, rel=0.25)

    def test_is_closed_and_has_no_steps(self):
        cost = rng().uniform(0, 10, (11, 128))
        path = _closed_path(cost)
        assert np.abs(np.diff(path, append=path[0])).max() <= 1
        straight = cost.sum(axis=1).min()
        steps = np.abs(np.diff(path)).sum()
        assert cost[path, np.arange(128)].sum() + steps <= straight


class TestWarp:
    def test_into_the_aligned_frame_and_back_is_the_picture(self, footage):
        face, pictures = steady(footage), to_tensor(footage.pictures)
        smooth = blurred(pictures, 2.0)
        there = back(aligned(smooth, face), face)
        mask = torch.from_numpy(inside(footage))[:, None].expand_as(smooth)
        assert float((there - smooth).abs()[mask].mean()) < 1

    def test_landmarks_are_carried_where_they_are_wanted(self, footage):
        """The mouth of the first picture, wide open, closed as on another."""
        face, pictures = steady(footage, 0.3), to_tensor(footage.pictures)
        still = np.zeros(len(footage), int)
        moved = carried(pictures[still], face[still], face, face.points).numpy()
        own = footage.pictures.transpose(0, 3, 1, 2)
        lips = inside(footage, "mouth")
        error, still_error = (
            np.abs(shown - own).mean(axis=1)[lips].mean()
            for shown in (moved, footage.pictures[still].transpose(0, 3, 1, 2))
        )
        assert error < 0.6 * still_error


class TestPaste:
    def test_changes_nothing_where_the_mask_is_empty(self):
        picture = rng().integers(0, 256, (60, 80, 3), dtype=np.uint8)
        pixels = np.zeros((32, 32, 3), np.uint8)
        for square in ([10, 10, 40], [-20, -20, 50], [60, 40, 64]):
            found = paste(picture, pixels, np.zeros((32, 32), np.float32), np.array(square))
            np.testing.assert_array_equal(found, picture)

    @pytest.mark.parametrize("square", [[10, 10, 40], [-10, 5, 50], [50, 30, 64], [-8, -8, 120]])
    def test_shows_the_face_in_its_square_and_nothing_beyond(self, square):
        picture = np.full((60, 80, 3), 50, np.uint8)
        mask = np.pad(np.ones((24, 24), np.float32), 4)
        found = paste(picture, np.full((32, 32, 3), 200, np.uint8), mask, np.array(square))
        left, top, side = square
        rows, columns = np.mgrid[:60, :80]
        within = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
        assert (found[~within] == 50).all()
        assert (found[within] == 200).mean() > 0.3
        assert (picture == 50).all()


class TestNames:
    def test_an_unknown_one_is_refused_with_those_there_are(self):
        for name in ("swapped", "hub", "hub:", "self_blended:x"):
            with pytest.raises(
                UsageError, match=rf"'{name}': not a reconstruction of faces; choose from self_blended, .*hub:S"
            ):
                load_face_reconstruction(name)

    def test_the_registry_imports_nothing_heavy(self):
        heavy = "{'torch', 'scipy', 'skimage', 'diffusers'}"
        code = f"import sys, avsync.reconstruct.face; sys.exit(str({heavy} & set(sys.modules) or ''))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stderr.strip() == ""


def test_footage_is_sliced_with_its_time(footage):
    piece = footage[5:9]
    assert isinstance(piece, FaceFootage)
    assert (len(piece), piece.start) == (4, pytest.approx(1.2))
    np.testing.assert_array_equal(piece.points, footage.points[5:9])
