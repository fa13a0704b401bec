"""Leave out one family of reconstructions of speech after the other: does a network find what it has not learned from?

    python scripts/benchmark_voice_left_out.py configs/voice_reconstruction.yaml data.root=ROOT [KEY=VALUE ...]

The arguments are those of `avsync train`. A network learns from all kinds in `rebuild.kinds`, and one from all but each
family of them in turn. All are judged on pairs of unseen speakers. The kinds in `rebuild.left_out` teach none of them.
It prints Markdown: the AUC of real against rebuilt speech, where the family was learned from and where it was left out.
Pairs are made once, and kept in `data.cache`.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmark.report import Row, circumstances, say, to_markdown
from lightning import Trainer

from avsync.errors import AvsyncError
from avsync.evaluate.metrics import Estimate, auc, estimate
from avsync.reconstruct.speech.registry import RECONSTRUCTIONS
from avsync.speech.utterance import Utterance
from avsync.train.config import VoiceReconstructionTraining, load_config
from avsync.train.speech import find_speech
from avsync.voice.reconstruction.config import ReconstructionConfig
from avsync.voice.reconstruction.data import PairsData
from avsync.voice.reconstruction.model import ReconstructionModel
from avsync.voice.reconstruction.module import ReconstructionModule
from avsync.voice.reconstruction.pairs import Pairs, make_pairs, unique


def main() -> None:
    """Train the networks, and print the table."""
    parser = argparse.ArgumentParser(description="Leave out one family of reconstructions of speech after the other.")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file of the recipe voice_reconstruction")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings to change")
    options = parser.parse_args()
    try:
        config = load_config(options.config, options.overrides)
        if not isinstance(config, VoiceReconstructionTraining):
            sys.exit(f"benchmark_voice_left_out: {options.config}: no config of the recipe voice_reconstruction")
        print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
        print(to_markdown({"Kinds that a network learned from, and others": table(config)}))
    except AvsyncError as error:
        sys.exit(f"benchmark_voice_left_out: {error}")


def table(config: VoiceReconstructionTraining) -> list[Row]:
    """Return a row for each family of the kinds that are learned from, then for each kind that is not."""
    split = find_speech(config.data, config.trainer.seed)
    families = _families(config.rebuild.kinds)
    named = {**families, **{kind: [kind] for kind in config.rebuild.left_out}}
    unseen = {name: _pairs(config, split.validation, kinds, len(named)) for name, kinds in named.items()}
    known = {
        name: _numbered(_pairs(config, split.training, kinds, 0), kinds, config.rebuild.kinds)
        for name, kinds in families.items()
    }
    whole = _trained(config, list(known.values()))
    rows: list[Row] = []
    for name, pairs in unseen.items():
        say("families", len(rows), len(unseen))
        others = [known[other] for other in known if other != name]
        without = _trained(config, others) if name in known else whole
        rows.append(
            {
                "reconstruction": name.rpartition("/")[2],
                "learned from": _auc(config, whole, pairs) if name in known else "–",
                "left out": _auc(config, without, pairs),
            }
        )
    return rows


def _families(kinds: Sequence[str]) -> dict[str, list[str]]:
    """The kinds by family; networks of one sort are a family."""
    families: dict[str, list[str]] = {}
    for kind in kinds:
        family = RECONSTRUCTIONS[kind].family if kind in RECONSTRUCTIONS else kind.partition(":")[0]
        families.setdefault(family, []).append(kind)
    return families


def _pairs(
    config: VoiceReconstructionTraining, files: Sequence[Utterance], kinds: Sequence[str], families: int
) -> Pairs:
    """Pairs of some kinds: their share of those to learn from, or of `families` alike to validate on."""
    rebuild = config.rebuild
    count = rebuild.validation_pairs // families if families else rebuild.pairs * len(kinds) // len(rebuild.kinds)
    return make_pairs(
        files,
        kinds,
        count,
        config.trainer.seed,
        Path(config.data.cache),
        workers=config.data.num_workers,
        on_progress=partial(say, f"pairs of {kinds[0]}"),
    )


def _numbered(pairs: Pairs, kinds: Sequence[str], among: Sequence[str]) -> Pairs:
    """The pairs with numbers of `unique(among)`."""
    numbers = np.array([unique(among).index(kind) for kind in unique(kinds)])
    return pairs._replace(kinds=numbers[pairs.kinds])


def _trained(config: VoiceReconstructionTraining, families: Sequence[Pairs]) -> ReconstructionModel:
    """A network that learned from these pairs, as `avsync train` does it."""
    learned = Pairs(*(np.concatenate(arrays) for arrays in zip(*families, strict=True)))
    torch.manual_seed(config.trainer.seed)
    model = ReconstructionModel(
        ReconstructionConfig(config.model.widths, config.model.dropout, unique(config.rebuild.kinds))
    )
    trainer = Trainer(
        max_epochs=config.trainer.epochs,
        gradient_clip_val=config.optim.clip,
        limit_val_batches=0,
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    module = ReconstructionModule(model, config.optim, config.trainer)
    trainer.fit(module, datamodule=PairsData(learned, learned, config.trainer))
    return model.eval()


@torch.inference_mode()
def _auc(config: VoiceReconstructionTraining, model: ReconstructionModel, pairs: Pairs) -> Estimate:
    """Of real against rebuilt speech; the interval is drawn by pair."""
    batches = PairsData(pairs, pairs, config.trainer).val_dataloader()
    judged = [[model(model.spectrogram(speech)).odds for speech in (batch.real, batch.rebuilt)] for batch in batches]
    odds = torch.cat([torch.cat(of_side) for of_side in zip(*judged, strict=True)]).numpy().astype(np.float64)
    count = len(pairs.kinds)
    fake = np.arange(2 * count) >= count
    return estimate(partial(auc, fake, odds), [str(i) for i in range(count)] * 2)


if __name__ == "__main__":
    main()
