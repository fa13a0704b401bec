"""What the recipes of faces alone train: a model, how it learns, and what from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

from avsync.appearance.config import CLIP_FRAMES, CLIP_NETWORK, AppearanceConfig, AppearanceTrainer
from avsync.appearance.data import Draws, PairsData, RandomPairs, validated_kinds
from avsync.appearance.model import AppearanceModel
from avsync.appearance.module import AppearanceModule
from avsync.appearance.start import load_start, start_file
from avsync.appearance.stress import StressPair, StressPairs
from avsync.reconstruct.autoencoder.config import AutoencoderConfig
from avsync.reconstruct.autoencoder.data import FacesData
from avsync.reconstruct.autoencoder.model import AutoencoderModel
from avsync.reconstruct.autoencoder.module import AutoencoderModule
from avsync.reconstruct.stored_footage import StoredFootage
from avsync.train.config import AppearanceTraining, AutoencoderTraining, FinetuneTraining
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
    rebuild, frames, pixels = config.rebuild, _frames(config), config.model.pixels
    kinds, seed = validated_kinds(rebuild), config.trainer.seed

    def drawn(seed: tuple[int, ...]) -> RandomPairs:
        return RandomPairs(split.training, Draws(rebuild.kinds, rebuild.pairs, frames, pixels, seed), rebuild)

    unseen = RandomPairs(split.validation, Draws(kinds, rebuild.validation_pairs, frames, pixels, (seed, 0)), rebuild)
    return _on_pairs(config, config.trainer, PairsData(drawn, unseen, config.trainer), kinds, rebuild.left_out)


def finetuned(config: FinetuneTraining, split: Split[StressPair]) -> Training:
    """A network that goes on learning from a stress set."""
    stress, frames, pixels = config.stress, _frames(config), config.model.pixels
    found = {pair.kind for pair in (*split.training, *split.validation)}
    kinds = [*sorted(found - set(stress.left_out)), *sorted(found & set(stress.left_out))]

    def drawn(seed: tuple[int, ...]) -> StressPairs:
        return StressPairs(split.training, Draws(kinds, stress.pairs, frames, pixels, seed))

    unseen = StressPairs(
        split.validation, Draws(kinds, stress.validation_pairs, frames, pixels, (config.trainer.seed, 0))
    )
    trainer = replace(config.trainer, place_weight=0.0)  # nothing is known of places
    return _on_pairs(config, trainer, PairsData(drawn, unseen, trainer), kinds, stress.left_out)


def _frames(config: AppearanceTraining | FinetuneTraining) -> int:
    return CLIP_FRAMES if config.model.network == CLIP_NETWORK else config.trainer.frames


def _on_pairs(
    config: AppearanceTraining | FinetuneTraining,
    trainer: AppearanceTrainer,
    data: PairsData,
    kinds: Sequence[str],
    left_out: Sequence[str],
) -> Training:
    options = asdict(config.model)
    start = start_file(config.model.network, options.pop("start"))
    model = AppearanceModel(AppearanceConfig(**options))
    if start is not None:
        load_start(model, start)
    module = AppearanceModule(model, config.optim, trainer, kinds, len(set(left_out)))
    name = {"name": f"avsync-appearance-{config.model.network}-1"}
    return Training(model, module, data, name, gradient_clip=config.optim.clip)
