"""The registry of methods that `avsync evaluate --methods` compares. Importing it imports nothing heavy.

A method is a choice of models, checks and reading. To add one, add its row here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsync.errors import UsageError


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: as the command line and results call it.
        what: a few words.
        source: the paper; empty for what is avsync's own.
        options: of `avsync.checks.load.load_setup`.
        weights: a published head, by its name in the folder of weights; empty if the method needs none.
    """

    name: str
    what: str
    source: str = ""
    options: dict[str, str | Path] = field(default_factory=dict)
    weights: str = ""

    @property
    def backbone(self) -> str | None:
        """The backbone whose features it reads; None if it has none or its checkpoint names one."""
        named = self.options.get("backbone")
        return None if named is None else str(named)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("default", "all checks of the embedded models, fused"),
        Method("lips", "the lips check of the embedded model alone", options={"checks": "lips"}),
        Method("face", "the face check alone", options={"checks": "face"}),
        Method("voice", "the voice check of the embedded model alone", options={"checks": "voice"}),
        Method(
            "speechforensics",
            "the best mean cosine of lips and speech over 31 shifts, without training",
            "Liang et al., NeurIPS 2024",
            {"backbone": "avhubert", "reading": "speechforensics"},
        ),
        Method(
            "factor",
            "the 3rd percentile of the cosines of lips and speech, without training",
            "Reiss et al., arXiv 2311.01458",
            {"backbone": "avhubert", "reading": "factor"},
        ),
        Method(
            "avh_align",
            "the published head on AV-HuBERT, log-sum-exp over time",
            "Smeu et al., CVPR 2025, arXiv 2412.00175",
            {"backbone": "avhubert", "reading": "log_sum_exp"},
            weights="AVH-Align_AV1M",
        ),
    )
}


def chosen_methods(names: str) -> list[Method]:
    """Return the methods of names joined by commas. The path of a checkpoint is a method, named by its file.

    Raises:
        UsageError: a name that is neither known nor a file, or one that is given twice.
    """
    methods = [_method(name.strip()) for name in names.split(",")]
    for number, method in enumerate(methods):
        if method.name in [before.name for before in methods[:number]]:
            raise UsageError(f"--methods: {method.name} is named twice")
    return methods


def with_backbone(methods: Sequence[Method], backbone: str) -> list[Method]:
    """Return the methods with another backbone where they read one.

    Raises:
        UsageError: none of them does.
    """
    if not any(method.backbone for method in methods):
        reading = ", ".join(method.name for method in METHODS.values() if method.backbone)
        raise UsageError(f"--backbone {backbone}: no method of --methods reads a backbone; these do: {reading}")
    return [
        Method(m.name, m.what, m.source, {**m.options, "backbone": backbone}, m.weights) if m.backbone else m
        for m in methods
    ]


def _method(name: str) -> Method:
    if name in METHODS:
        return METHODS[name]
    path = Path(name)
    if path.suffix == ".safetensors" and path.is_file():
        # A run of `avsync train` writes model.safetensors into the folder of its name.
        return Method(path.stem if path.stem != "model" else path.absolute().parent.name, name, "", {"weights": path})
    raise UsageError(f"--methods: unknown method {name!r}; known: {', '.join(METHODS)}, or a checkpoint (.safetensors)")
