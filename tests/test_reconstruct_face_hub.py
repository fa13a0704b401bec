"""Published autoencoders of pictures, in the format of diffusers, rebuild faces."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from face_footage import footage_of
from safetensors.torch import load_file, save_file

from avsync.errors import UsageError
from avsync.reconstruct.face import load_face_reconstruction
from avsync.reconstruct.face.rebuild import rebuild_face

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'avsync[autoencoders]'")
WEIGHTS = "diffusion_pytorch_model.safetensors"
KINDS = ["AutoencoderKL", "AutoencoderTiny", "VQModel"]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def footage():
    return footage_of(2, 40)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Small networks with random weights, as diffusers saves them."""
    folder = tmp_path_factory.mktemp("autoencoders")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    small = {"block_out_channels": (8, 8), "norm_num_groups": 4, "latent_channels": 3, "mid_block_add_attention": False}
    networks = {
        "AutoencoderKL": diffusers.AutoencoderKL(**blocks, **small),
        "VQModel": diffusers.VQModel(**blocks, **small, num_vq_embeddings=16),
        "AutoencoderTiny": diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
        ),
    }
    for name, network in networks.items():
        network.save_pretrained(folder / name)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    def make(name):
        return shutil.copytree(saved / name, tmp_path / name)

    return make


@pytest.mark.parametrize("name", KINDS)
def test_every_type_rebuilds_pictures_of_any_size(name, saved, footage):
    rebuild = load_face_reconstruction(f"hub:{saved / name}")
    found = rebuild(footage, rng())
    assert found.shape == footage.pictures.shape
    assert 0 <= found.min() <= found.max() <= 255
    assert np.abs(found - footage.pictures).mean() > 5
    np.testing.assert_array_equal(found, rebuild(footage, rng()))


@pytest.mark.parametrize("name", KINDS)
def test_the_result_is_what_the_network_says(name, saved, footage):
    """Encoded and decoded by diffusers itself."""
    network = getattr(diffusers, name).from_pretrained(saved / name)
    seed = next(seed for seed in range(20) if rng(seed).choice((1, 2)) == 1)  # pictures are not enlarged
    padded = np.pad(footage.pictures, ((0, 0), (0, 24), (0, 24), (0, 0)), mode="edge")
    with torch.inference_mode():
        seen = torch.from_numpy(padded).permute(0, 3, 1, 2).float() / 127.5 - 1
        codes = network.encode(seen)
        shown = network.decode(codes.latent_dist.mean if name == "AutoencoderKL" else codes.latents).sample
    expected = ((shown + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()[:, :40, :40]
    found = load_face_reconstruction(f"hub:{saved / name}")(footage, rng(seed))
    assert np.abs(found - expected).mean() < (3 if name == "AutoencoderKL" else 1e-2)


def test_codes_of_a_variational_autoencoder_are_drawn_half_of_the_time(saved, footage):
    rebuild = load_face_reconstruction(f"hub:{saved / 'AutoencoderKL'}")
    unlike = {np.float32(rebuild(footage, rng(seed)).mean()) for seed in range(6)}
    assert len(unlike) > 2


def test_it_is_blended_like_every_kind(saved, footage):
    done = rebuild_face(footage, f"hub:{saved / 'AutoencoderTiny'}", rng())
    np.testing.assert_array_equal(done.pictures[done.mask == 0], footage.pictures[done.mask == 0])
    assert (done.pictures != footage.pictures).any()


class TestRefusals:
    def refused(self, folder, complaint):
        with pytest.raises(UsageError, match=complaint):
            load_face_reconstruction(f"hub:{folder}")

    def test_a_folder_that_is_not_there(self, tmp_path):
        self.refused(tmp_path / "nothing", "config.json is missing; add it to the folder")

    def test_a_model_of_another_type(self, copy):
        folder = copy("VQModel")
        (folder / "config.json").write_text('{"_class_name": "UNet2DModel"}')
        self.refused(
            folder, "a model of type 'UNet2DModel'; name one of these types: AutoencoderKL, AutoencoderTiny, VQ"
        )

    def test_weights_that_run_code(self, copy):
        folder = copy("VQModel")
        (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.bin")
        self.refused(folder, f"{WEIGHTS} is missing")

    def test_pictures_without_colours(self, tmp_path):
        blocks = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)}
        grey = diffusers.AutoencoderKL(1, 1, **blocks, block_out_channels=(8,), norm_num_groups=4)
        grey.save_pretrained(tmp_path / "grey")
        self.refused(tmp_path / "grey", "not an autoencoder of pictures with three colours")

    def test_weights_that_are_missing_not_finite_or_damaged(self, copy):
        folder = copy("AutoencoderTiny")
        weights = load_file(folder / WEIGHTS)
        first = min(weights)
        save_file({name: value for name, value in weights.items() if name != first}, folder / WEIGHTS)
        self.refused(folder, "incomplete or damaged")
        save_file(weights | {first: weights[first] * np.nan}, folder / WEIGHTS)
        self.refused(folder, "not finite")
        (folder / WEIGHTS).write_bytes(b"x" * 100)
        self.refused(folder, "incomplete or damaged")

    def test_a_config_that_asks_for_more_than_there_is_takes_no_memory(self, copy):
        folder = copy("AutoencoderKL")
        described = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(described | {"block_out_channels": [65536, 65536]}))
        self.refused(folder, "incomplete or damaged")

    def test_without_diffusers_the_extra_is_named(self, saved, monkeypatch):
        monkeypatch.setitem(sys.modules, "diffusers", None)
        self.refused(saved / "VQModel", r"needs the package 'diffusers': pip install 'avsync\[autoencoders\]'")
