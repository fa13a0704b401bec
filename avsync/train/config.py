"""The configuration of a training: a typed YAML file with `key=value` overrides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avsync.align.resnet.config import ResNetOptions
from avsync.align.temporal.config import AugmentConfig, TemporalConfig
from avsync.appearance.config import AppearanceOptions, AppearanceTrainer, FacesConfig, StressConfig
from avsync.config import DataConfig, FramesConfig, OptimConfig, PiecesConfig, PlateauConfig, RunConfig, SegmentsConfig
from avsync.errors import UsageError
from avsync.reconstruct.autoencoder.config import AutoencoderOptim, AutoencoderOptions, PicturesConfig
from avsync.reconstruct.neural.config import VocoderConfig, VocoderOptim
from avsync.reconstruct.stored_footage import FootageConfig
from avsync.voice.reconstruction.config import NetworkConfig, PairsConfig, RebuildConfig
from avsync.voice.stfpm.config import StfpmConfig, StfpmTrainerConfig


@dataclass(frozen=True)
class TemporalTraining:
    """The default model: lip encoder and speech encoder learn together.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, model, augment, optim, trainer: see their classes.
    """

    recipe: str = "temporal"
    data: DataConfig = field(default_factory=DataConfig)
    model: TemporalConfig = field(default_factory=TemporalConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: SegmentsConfig = field(default_factory=SegmentsConfig)


@dataclass(frozen=True)
class MLPTraining:
    """The head of AVH-Align on frozen features.

    Attributes:
        recipe: names this recipe in the YAML file.
        backbone: encodes lips and speech; any name that `avsync.encoders.registry` knows.
        data, optim, trainer: see their classes.
    """

    recipe: str = "mlp"
    backbone: str = "avhubert"
    data: DataConfig = field(default_factory=DataConfig)
    optim: PlateauConfig = field(default_factory=PlateauConfig)
    trainer: FramesConfig = field(default_factory=FramesConfig)


@dataclass(frozen=True)
class ResNetTraining:
    """A ResNet of mouth crops, trained beside frozen features of speech.

    Attributes:
        recipe: names this recipe in the YAML file.
        speech: encodes speech; any name of a speech encoder that `avsync.encoders.registry` knows.
        data, model, optim, trainer: see their classes.
    """

    recipe: str = "resnet"
    speech: str = "ssl:facebook/hubert-base-ls960@9"
    data: DataConfig = field(default_factory=DataConfig)
    model: ResNetOptions = field(default_factory=ResNetOptions)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3))
    trainer: SegmentsConfig = field(default_factory=lambda: SegmentsConfig(output_dir="runs/hubert_resnet"))


@dataclass(frozen=True)
class VocoderTraining:
    """A small network that rebuilds speech, for trainings that learn real from reconstructed speech.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, model, optim, trainer: see their classes.
    """

    recipe: str = "vocoder"
    data: DataConfig = field(default_factory=DataConfig)
    model: VocoderConfig = field(default_factory=VocoderConfig)
    optim: VocoderOptim = field(default_factory=VocoderOptim)
    trainer: PiecesConfig = field(default_factory=PiecesConfig)


@dataclass(frozen=True)
class VoiceReconstructionTraining:
    """The voice check: real speech beside reconstructions of it.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, rebuild, model, optim, trainer: see their classes.
    """

    recipe: str = "voice_reconstruction"
    data: DataConfig = field(default_factory=DataConfig)
    rebuild: RebuildConfig = field(default_factory=RebuildConfig)
    model: NetworkConfig = field(default_factory=NetworkConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: PairsConfig = field(default_factory=PairsConfig)


@dataclass(frozen=True)
class VoiceStfpmTraining:
    """The voice check with one class: a student that matches its teacher on real speech only.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, model, optim, trainer: see their classes.
    """

    recipe: str = "voice_stfpm"
    data: DataConfig = field(default_factory=DataConfig)
    model: StfpmConfig = field(default_factory=StfpmConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: StfpmTrainerConfig = field(default_factory=StfpmTrainerConfig)


@dataclass(frozen=True)
class VoiceLinearTraining:
    """The voice check by logistic regression on frozen features.

    Attributes:
        recipe: names this recipe in the YAML file.
        backbone: encodes speech; any name of a speech encoder that `avsync.encoders.registry` knows.
        labelled: split table of a data set with fakes (such as ASVspoof2019.LA.cm.train.trn.txt), to learn its labels,
            for comparison with the literature; such a model is no check, only a baseline for `avsync evaluate`.
        labelled_validation: another split table, to validate on.
        data, rebuild, trainer: see their classes.
    """

    recipe: str = "voice_linear"
    backbone: str = "temporal"
    labelled: str = ""
    labelled_validation: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    rebuild: RebuildConfig = field(default_factory=RebuildConfig)
    trainer: RunConfig = field(default_factory=lambda: RunConfig(epochs=1, output_dir="runs/voice_linear"))

    def __post_init__(self) -> None:
        if bool(self.labelled) != bool(self.labelled_validation):
            raise ValueError("labelled and labelled_validation: name both tables, or neither")


@dataclass(frozen=True)
class AutoencoderTraining:
    """A small network that rebuilds faces, for trainings that learn real from reconstructed faces.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, footage, model, optim, trainer: see their classes.
    """

    recipe: str = "face_autoencoder"
    data: DataConfig = field(default_factory=DataConfig)
    footage: FootageConfig = field(default_factory=FootageConfig)
    model: AutoencoderOptions = field(default_factory=AutoencoderOptions)
    optim: AutoencoderOptim = field(default_factory=AutoencoderOptim)
    trainer: PicturesConfig = field(default_factory=PicturesConfig)


SpeechTraining = VocoderTraining | VoiceReconstructionTraining | VoiceStfpmTraining | VoiceLinearTraining


@dataclass(frozen=True)
class AppearanceTraining:
    """The appearance check: real faces beside reconstructions of them.

    Attributes:
        recipe: names this recipe in the YAML file.
        data, footage, rebuild, model, optim, trainer: see their classes.
    """

    recipe: str = "face"
    data: DataConfig = field(default_factory=DataConfig)
    footage: FootageConfig = field(default_factory=FootageConfig)
    rebuild: FacesConfig = field(default_factory=FacesConfig)
    model: AppearanceOptions = field(default_factory=AppearanceOptions)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3))
    trainer: AppearanceTrainer = field(default_factory=AppearanceTrainer)


@dataclass(frozen=True)
class FinetuneTraining:
    """The appearance check, fine-tuned on a set of `avsync stress`, to see what that mends and what it breaks.

    Attributes:
        recipe: names this recipe in the YAML file.
        data: `root` is the folder of the set, the only one with fakes that a training takes.
        footage, stress, model, optim, trainer: see their classes.
    """

    recipe: str = "face_finetune"
    data: DataConfig = field(default_factory=lambda: DataConfig(validation_share=0.5))
    footage: FootageConfig = field(default_factory=FootageConfig)
    stress: StressConfig = field(default_factory=StressConfig)
    model: AppearanceOptions = field(default_factory=AppearanceOptions)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-4))
    trainer: AppearanceTrainer = field(default_factory=lambda: AppearanceTrainer(output_dir="runs/face_finetune"))


FaceTraining = AutoencoderTraining | AppearanceTraining | FinetuneTraining
TrainingConfig = TemporalTraining | MLPTraining | ResNetTraining | SpeechTraining | FaceTraining
_RECIPES: dict[str, type[TrainingConfig]] = {
    "temporal": TemporalTraining,
    "mlp": MLPTraining,
    "resnet": ResNetTraining,
    "vocoder": VocoderTraining,
    "voice_reconstruction": VoiceReconstructionTraining,
    "voice_stfpm": VoiceStfpmTraining,
    "voice_linear": VoiceLinearTraining,
    "face_autoencoder": AutoencoderTraining,
    "face": AppearanceTraining,
    "face_finetune": FinetuneTraining,
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a YAML file. Overrides such as `optim.lr=1e-3` win over the file, the file over the defaults.

    Raises:
        UsageError: no such file, an unknown recipe or key, a value of the wrong type or range, or no `data.root`.
    """
    try:
        given = OmegaConf.merge(OmegaConf.load(path), *(_override(text) for text in overrides))
        recipe = given.get("recipe", "temporal") if isinstance(given, DictConfig) else "temporal"
        if recipe not in _RECIPES:
            raise ValueError(f"recipe: unknown {recipe}; known: {', '.join(_RECIPES)}")
        config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(_RECIPES[recipe]), given))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such config file") from error
    except (
        OSError,
        OmegaConfBaseException,
        YAMLError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        key = getattr(error, "full_key", None)
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{path}: {f'{key}: ' if key else ''}{said:.200}") from error
    assert isinstance(config, TrainingConfig)
    return config


def _override(text: str) -> DictConfig:
    try:
        if "=" not in text:
            raise ValueError(text)
        return OmegaConf.from_dotlist([text])
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UsageError(
            f"'{text}': not an override; write key=value, lists as [a,b], and quote unusual text"
        ) from error
