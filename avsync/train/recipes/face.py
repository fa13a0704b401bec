"""What the recipes of faces alone train: a model, how it learns, and what from."""

from collections import Counter
from dataclasses import asdict

from avsync.appearance.config import CLIP_FRAMES, CLIP_NETWORK, AppearanceConfig
from avsync.appearance.data import PairsData, validated_kinds
from avsync.appearance.model import AppearanceModel
from avsync.appearance.module import AppearanceModule
from avsync.appearance.start import load_start, start_file
from avsync.reconstruct.autoencoder.config import AutoencoderConfig
from avsync.reconstruct.autoencoder.data import FacesData
from avsync.reconstruct.autoencoder.model import AutoencoderModel
from avsync.reconstruct.autoencoder.module import AutoencoderModule
from avsync.reconstruct.stored_footage import StoredFootage
from avsync.train.config import AppearanceTraining, AutoencoderTraining
from avsync.train.recipes.training import Training
from avsync.train.split import Split


def autoencoder(config: AutoencoderTraining, split: Split[StoredFootage]) -> Training:
    """A network that rebuilds faces; the speakers with most clips get a decoder of their own."""
    most = Counter(footage.speaker for footage in split.training).most_common(config.model.decoders)
    model = AutoencoderModel(AutoencoderConfig(**asdict(config.model), identities=sorted(name for name, _ in most)))
    decoders = {name: model.decoder_of(name) for name in model.config.identities}
    module = AutoencoderModule(model, config.optim, config.trainer)
    data = FacesData(split.training, split.validation, decoders, config.trainer)
    name = {"name": f"avsync-face-autoencoder-{config.model.kind}-1"}
    return Training(model, module, data, name, gradient_clip=config.optim.clip)


def appearance(config: AppearanceTraining, split: Split[StoredFootage]) -> Training:
    """A network that tells real faces from reconstructed ones."""
    options = asdict(config.model)
    start = start_file(config.model.network, options.pop("start"))
    model = AppearanceModel(AppearanceConfig(**options))
    if start is not None:
        load_start(model, start)
    trainer, left_out = config.trainer, len(set(config.rebuild.left_out))
    module = AppearanceModule(model, config.optim, trainer, validated_kinds(config.rebuild), left_out)
    data = PairsData(
        split.training,
        split.validation,
        config.rebuild,
        frames=CLIP_FRAMES if config.model.network == CLIP_NETWORK else trainer.frames,
        pixels=config.model.pixels,
        batch_size=trainer.batch_size,
        num_workers=trainer.num_workers,
        seed=trainer.seed,
    )
    name = {"name": f"avsync-appearance-{config.model.network}-1"}
    return Training(model, module, data, name, gradient_clip=config.optim.clip)
