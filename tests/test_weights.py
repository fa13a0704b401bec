"""Published weights: read without running code, converted, found again."""

import argparse
import builtins
import gzip
import json
import os
import pickle
import subprocess
import sys
import time
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from types import ModuleType
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import CONFIG, OPTIONS, avhubert_tensors
from torch import nn
from typer.testing import CliRunner

from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.checkpoint import load_checkpoint
from avsync.cli.weights import weights_app
from avsync.convert import convert
from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.encoders.avhubert.published import rename
from avsync.errors import UsageError
from avsync.weights import find
from avsync.weights.folder import describe, folder
from avsync.weights.unpickle import unpickle

GOLDEN = Path(os.environ.get("AVSYNC_SHARED", Path(__file__).parents[2] / "shared")) / "golden"
FORMAT = "avsync.avhubert/1"
# For tests in which the tensors do not matter: the ResNet of every AV-HuBERT has 11 M values.
SMALL = {"mask_emb": torch.zeros(20_000)}
DICTIONARY, TOKENIZER, PROCESSOR = (
    ("fairseq.data.dictionary", "Dictionary"),
    ("fairseq.data.encoders.sentencepiece_bpe", "SentencepieceBPE"),
    ("sentencepiece", "SentencePieceProcessor"),
)


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """The folder of weights of this test; fails if the package that wrote the checkpoints gets imported."""
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
    yield tmp_path / "weights"
    assert "fairseq" not in sys.modules


@pytest.fixture(scope="module")
def tensors():
    """An encoder in half precision under its published names, with the tensors of pre-training."""
    return avhubert_tensors()


def foreign(monkeypatch, module, name, **state):
    """An object of a class that exists only while the checkpoint is written."""
    kind = type(name, (), {"__module__": module})
    *packages, _ = accumulate(module.split("."), "{}.{}".format)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    home = ModuleType(module)
    setattr(home, name, kind)
    monkeypatch.setitem(sys.modules, module, home)
    made = kind()
    vars(made).update(state)
    return made


def save(content, path, form="zip"):
    torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    return path


@pytest.fixture
def pretrained(tensors, tmp_path, monkeypatch):
    """Writes a pre-trained checkpoint in one of PyTorch's two formats, with the helper objects that such files have."""

    def write(form="zip", name="tiny.pt", **changed):
        with monkeypatch.context() as patch:
            words = foreign(patch, *DICTIONARY, symbols=["<s>", "a"], indices={"<s>": 0})
            content = {
                "args": None,
                "cfg": {"_name": None, "task": {"stack_order_audio": 4}, "model": OPTIONS},
                "model": tensors,
                "last_optimizer_state": {"state": {0: {"exp_avg": torch.zeros(1000)}}, "param_groups": [{"lr": 1e-3}]},
                "task_state": {"dictionaries": [words]},
            }
            return save({**content, **changed}, tmp_path / name, form)

    return write


@pytest.fixture
def fine_tuned(tensors, tmp_path, monkeypatch):
    inside = {f"encoder.w2v_model.{name}": value for name, value in tensors.items()}
    with monkeypatch.context() as patch:
        processor = foreign(patch, *PROCESSOR, model=b"\x00\xff spm")
        tokenizer = foreign(patch, *TOKENIZER, sp=processor)
        words = foreign(patch, *DICTIONARY, symbols=["<s>"])
        content = {
            "cfg": {"model": {"_name": "av_hubert_seq2seq", "w2v_args": {"model": OPTIONS}}},
            "model": {**inside, "decoder.embed_tokens.weight": torch.zeros(8, 4)},
            "task_state": {"target_dictionary": words, "s2s_tokenizer": tokenizer},
        }
        return save(content, tmp_path / "fine_tuned.pt")


@pytest.fixture
def head(tmp_path):
    """A published head: its weights, and the options of its trainer."""
    torch.manual_seed(1)
    model = MLPAligner(MLPConfig(lips=24, speech=32))
    options = argparse.Namespace(name="AV1M", tau=15, lr=1e-5, device="cuda:0")
    return model, save({"state_dict": model.state_dict(), "args": options}, tmp_path / "AVH-Align_AV1M.pt")


def run(*words):
    return CliRunner().invoke(weights_app, [str(word) for word in words])


class Attack:
    """Calls `function(*arguments)` when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


# Reading pickles


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_both_formats_of_pytorch_are_read_without_the_packages_that_wrote_them(form, pretrained, tensors):
    content = unpickle(pretrained(form))
    assert torch.equal(content["model"]["post_extract_proj.weight"], tensors["post_extract_proj.weight"])
    assert content["cfg"]["model"] == OPTIONS


def test_objects_of_helper_classes_are_replaced_and_keep_nothing(pretrained):
    (words,) = unpickle(pretrained(model=SMALL))["task_state"]["dictionaries"]
    assert type(words).__module__ == "avsync.weights.unpickle"
    assert vars(words) == {}


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("function", [os.system, builtins.exec, builtins.eval, subprocess.call])
def test_no_code_in_the_file_runs(form, function, pretrained, tmp_path):
    witness = tmp_path / "witness"
    python = f"open({str(witness)!r}, 'w')"
    attack = Attack(function, f"touch '{witness}'" if function is os.system else python)
    if function is subprocess.call:
        attack = Attack(function, ["touch", str(witness)])
    if form == "pickle":
        path = tmp_path / "plain.pt"
        path.write_bytes(pickle.dumps({"model": attack}))
    else:
        path = pretrained(form, model=SMALL, extra_state=attack)
    started = time.perf_counter()
    with pytest.raises(UsageError) as refused:
        convert(path)
    assert time.perf_counter() - started < 5
    assert not witness.exists()
    assert not folder().exists()
    if form != "pickle":
        assert f"{function.__name__}, which no known checkpoint needs; none of its code was run" in str(refused.value)


def test_the_attack_is_real(tmp_path):
    witness = tmp_path / "witness"
    path = save({"model": Attack(os.system, f"touch '{witness}'")}, tmp_path / "hostile.pt")
    torch.load(path, weights_only=False)
    assert witness.exists()


@pytest.mark.parametrize(
    "attack",
    [
        Attack(bytearray, 1 << 40),  # PyTorch would allow it and fill the memory
        Attack(torch.Tensor, 1 << 40),
        Attack(argparse.Namespace, "an argument"),
    ],
)
def test_nothing_is_called_that_tensors_do_not_need(attack, tmp_path):
    with pytest.raises(UsageError):
        unpickle(save({"model": attack}, tmp_path / "hostile.pt"))


def test_references_in_newer_pickles_are_refused(tmp_path):
    path = tmp_path / "hostile.pt"
    torch.save({"model": Attack(os.getcwd)}, path, pickle_protocol=4)
    with pytest.raises(UsageError, match="none of its code was run"):
        unpickle(path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("share", [0, 0.0001, 0.005, 0.05, 0.5, 0.99, 1])
def test_a_truncated_file_gives_a_one_line_error(form, share, pretrained):
    path = pretrained(form, model=SMALL)
    os.truncate(path, round((path.stat().st_size - 1) * share))
    started = time.perf_counter()
    with pytest.raises(UsageError, match="truncated, damaged") as error:
        convert(path)
    assert time.perf_counter() - started < 5
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x00" * 100_000])
def test_a_file_that_is_not_a_checkpoint_gives_a_one_line_error(content, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"not a PyTorch checkpoint; get the file again$"):
        convert(path)


def test_a_file_that_is_missing_or_has_no_dict_gives_a_one_line_error(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(UsageError, match="no such file"):
            convert(path)
    with pytest.raises(UsageError, match="does not contain a dict"):
        convert(save(torch.zeros(3), tmp_path / "tensor.pt"))


def packed(path, *entries, compression=ZIP_STORED):
    with ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(f"archive/{name}", content)
    return path


def refused_in(seconds, path, said):
    """Refused within this time and 300 MB of memory."""
    before, start = getrusage(RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(UsageError, match=said):
        convert(path)
    assert time.perf_counter() - start < seconds
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 300 << 10  # kB


OPERATIONS = b"\x80\x02}" + b"N0" * (30 << 20) + b"."


@pytest.mark.parametrize("compression", [ZIP_STORED, ZIP_DEFLATED])
def test_a_pickle_with_millions_of_operations_is_not_read_to_its_end(compression, tmp_path):
    path = packed(tmp_path / "bomb.pt", ("data.pkl", OPERATIONS), compression=compression)
    refused_in(5, path, "truncated, damaged")


def test_a_legacy_file_with_millions_of_operations_is_not_read_to_its_end(tmp_path):
    path = save({"model": 1}, tmp_path / "bomb.pt", "legacy")
    path.write_bytes(path.read_bytes()[:15] + OPERATIONS)
    refused_in(5, path, "truncated, damaged")


def test_tuples_in_one_another_do_not_crash_python(tmp_path):
    path = packed(tmp_path / "deep.pt", ("data.pkl", b"\x80\x02}N" + b"\x85" * 900_000 + b"Ns."))
    refused_in(5, path, "truncated, damaged")


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("form_of_claim", ["one", "many"])
def test_tensors_that_repeat_one_value_do_not_fill_the_memory(form, form_of_claim, tmp_path):
    """A tensor of 24 GB with strides of 0, or ten thousand views of one of 1 MB."""
    one = torch.zeros(1)
    if form_of_claim == "one":
        weights = {"visual_proj.weight": one.expand(750_000, 8192), "audio_proj.weight": one.expand(512, 8)}
    else:
        weights = {f"{i}": one.expand(512, 512) for i in range(10_000)}
    path = save({"state_dict": weights}, tmp_path / "bomb.pt", form)
    assert path.stat().st_size < 2 << 20
    refused_in(5, path, "claims more values than it holds; get the file again")


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_storage_larger_than_the_file_is_not_made(form, tmp_path):
    path = save({"state_dict": {"visual_proj.weight": torch.zeros(99, 7)}}, tmp_path / "bomb.pt", form)
    small, large = b"M" + (99 * 7).to_bytes(2, "little"), b"\x8a\x05" + (7 << 30).to_bytes(5, "little")
    if form == "zip":
        with ZipFile(path) as archive:
            entries = [(name.partition("/")[2], archive.read(name)) for name in archive.namelist()]
        path = packed(path, *((name, content.replace(small, large)) for name, content in entries))
    else:
        path.write_bytes(path.read_bytes().replace(small, large))
    refused_in(5, path, "claims more values than it holds")


def test_an_unfinished_conversion_of_another_process_is_left_alone(pretrained, weights):
    """Both write `tiny.safetensors`, each an unfinished file of its own."""
    weights.mkdir()
    (weights / "tiny.partial").write_bytes(b"of somebody else")
    convert(pretrained())
    assert sorted(path.name for path in weights.iterdir()) == ["tiny.partial", "tiny.safetensors"]


# Converting


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_pre_trained_encoder_is_converted_to_our_names(form, pretrained, tensors, weights):
    source = pretrained(form)
    assert convert(source) == weights / "tiny.safetensors"
    written = load_file(weights / "tiny.safetensors")
    network = AVHuBERT(CONFIG)
    counts = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    assert set(written) == set(network.state_dict()) - counts
    assert all(value.dtype == torch.float16 for value in written.values())
    assert torch.equal(written["resnet.stem.0.weight"], tensors["feature_extractor_video.resnet.frontend3D.0.weight"])
    assert torch.equal(written["projection.bias"], tensors["post_extract_proj.bias"])


def test_the_header_has_format_config_source_and_licence(pretrained, weights):
    source = pretrained()
    with safe_open(convert(source), framework="pt") as file:
        header = file.metadata()
    assert header["format"] == FORMAT
    assert AVHuBERTConfig(**json.loads(header["config"])) == CONFIG
    assert header["numbers"] == "float16"
    assert header["source"] == "tiny.pt"
    assert header["source_sha256"] == sha256(source.read_bytes()).hexdigest()
    assert "non-commercial" in header["licence"]
    assert [path.name for path in weights.iterdir()] == ["tiny.safetensors"]


def test_a_fine_tuned_encoder_loses_its_decoder(fine_tuned, pretrained):
    of_fine_tuned, of_pretrained = load_file(convert(fine_tuned)), load_file(convert(pretrained()))
    assert of_fine_tuned.keys() == of_pretrained.keys()
    assert all(torch.equal(value, of_pretrained[name]) for name, value in of_fine_tuned.items())


def test_a_head_becomes_a_model_of_avsync(head, weights):
    model, source = head
    path = convert(source)
    assert path == weights / "AVH-Align_AV1M.safetensors"
    loaded = load_checkpoint(path)
    assert loaded.model.config == model.config
    assert all(torch.equal(value, loaded.model.state_dict()[name]) for name, value in model.state_dict().items())
    assert loaded.notes["name"] == "AVH-Align_AV1M"
    assert loaded.notes["backbone"] == "avhubert"
    assert loaded.notes["licence"] == "CC BY-NC-SA 4.0"
    assert loaded.notes["source_sha256"] == sha256(source.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"cfg": None, "model": SMALL}, "has no cfg"),
        ({"model": [1, 2]}, "has no model"),
        ({"model": {1: 2}}, "has no model"),
        ({"model": nn.Linear(3, 4).state_dict()}, "lacks resnet.stem.0.weight"),
        ({"model": SMALL, "cfg": {"model": {"encoder_layers": 12}}}, "no option"),
        ({"model": SMALL, "cfg": {"model": {**OPTIONS, "encoder_layers": 10**9}}}, "layers must be"),
        ({"model": SMALL, "cfg": {"model": {**OPTIONS, "encoder_layers": "12"}}}, "layers must be"),
        ({"model": SMALL, "cfg": {"model": {**OPTIONS, "resnet_relu_type": "relu"}}}, "resnet_relu_type must be prelu"),
        ({"cfg": {"model": {**OPTIONS, "encoder_ffn_embed_dim": 17}}}, "instead of"),
        ({"model": SMALL, "state_dict": nn.Linear(3, 4).state_dict()}, "no usable visual_proj.weight"),
        ({"model": SMALL, "state_dict": None}, "has no state_dict"),
        ({"model": SMALL, "cfg": {"model": {**OPTIONS, "encoder_layers": torch.zeros(2)}}}, "no option encoder_layers"),
    ],
)
def test_another_architecture_gives_a_one_line_error(changed, complaint, pretrained, weights):
    started = time.perf_counter()
    with pytest.raises(UsageError, match=complaint) as error:
        convert(pretrained(**changed))
    assert time.perf_counter() - started < 5
    assert "only AV-HuBERT (pre-trained or fine-tuned) and the head of AVH-Align can be converted" in str(error.value)
    assert "\n" not in str(error.value)
    assert not weights.exists()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("layer_norm.bias", torch.full((64,), torch.nan), "layer_norm.bias is not finite"),
        ("layer_norm.bias", torch.zeros(64, dtype=torch.int64), "layer_norm.bias is torch.int64"),
        ("layer_norm.bias", [0.0] * 64, "lacks layer_norm.bias"),
        ("ctc.weight", torch.zeros(3), "has an unknown tensor ctc.weight"),
    ],
)
def test_tensors_that_do_not_match_give_a_one_line_error(name, value, complaint, pretrained, tensors):
    with pytest.raises(UsageError, match=complaint):
        convert(pretrained(model={**tensors, name: value}))


def test_tensors_that_share_memory_are_written(pretrained, tensors):
    shared = torch.zeros(1, dtype=torch.float16).expand(64)
    path = convert(pretrained(model={**tensors, "layer_norm.weight": shared, "layer_norm.bias": shared}))
    assert load_file(path)["layer_norm.bias"].shape == (64,)


def test_another_checkpoint_of_the_same_name_does_not_replace_the_first(pretrained, tensors, tmp_path):
    first = convert(pretrained())
    assert convert(pretrained()) == first  # the same file again
    other = pretrained(model={**tensors, "mask_emb": torch.ones(104)})
    with pytest.raises(UsageError, match="already taken by another checkpoint; choose a name with --output"):
        convert(other)
    assert convert(other, first) == first
    with pytest.raises(UsageError, match=r"ends in \.safetensors"):
        convert(other, tmp_path / "x.bin")


def test_a_failed_write_leaves_no_file(pretrained, weights, monkeypatch):
    def full(tensors, path, header):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avsync.convert.save_file", full)
    with pytest.raises(OSError, match="No space"):
        convert(pretrained())
    assert list(weights.iterdir()) == []


# The reference checkpoints, in the formats that the original program wrote


def published(form, tmp_path):
    packed = GOLDEN / f"ckpt_{form}_tiny_zero_resnet.pt.gz"
    if not packed.exists():
        pytest.skip("needs the reference checkpoints in shared/golden")
    path = tmp_path / f"{form}.pt"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("form", "keys", "prefix"),
    [("pretrain", "tiny.keys.json", ""), ("finetune", "ckpt_finetune_tiny.keys.json", "encoder.w2v_model.")],
)
def test_the_reference_checkpoints_are_converted_without_a_changed_value(form, keys, prefix, tmp_path):
    path = convert(published(form, tmp_path))
    with safe_open(path, framework="pt") as file:
        config = AVHuBERTConfig(**json.loads(file.metadata()["config"]))
    assert config == AVHuBERTConfig(layers=2, width=64, ffn_width=128, heads=4)
    written, recipe = load_file(path), {}
    exec((GOLDEN / "recipe.py").read_text(), recipe)
    for key, (shape, _) in json.loads((GOLDEN / keys).read_text()).items():
        name = rename(key.removeprefix(prefix)) if key.startswith(prefix) else None
        if name is not None:
            value = written.pop(name)
            zeroed = name.startswith("resnet.") and value.ndim > 1  # so that the file could be compressed
            expected = torch.zeros(shape) if zeroed else torch.from_numpy(recipe["tensor"](key, shape))
            assert torch.equal(value, expected), name
    assert not written


# Finding


def test_the_user_chooses_the_folder_of_weights(monkeypatch, tmp_path):
    assert folder() == tmp_path / "weights"
    monkeypatch.delenv("AVSYNC_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert folder() == tmp_path / "cache" / "avsync" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folder() == Path.home() / ".cache" / "avsync" / "weights"


def test_weights_are_found_by_path_by_name_and_without_one_if_they_are_the_only_ones(pretrained, head):
    path = convert(pretrained())
    convert(head[1])
    assert find(str(path), FORMAT) == find("tiny", FORMAT) == find(None, FORMAT) == path
    convert(pretrained(name="other.pt"))
    with pytest.raises(UsageError, match=r"several in .*; name one of other, tiny"):
        find(None, FORMAT)


def test_the_error_for_missing_weights_says_how_to_get_them(pretrained, head, weights):
    for source in (None, "self_large_vox_433h"):
        with pytest.raises(UsageError, match=r"accept the licence at https://.*av_hubert/.*avsync weights convert"):
            find(source, FORMAT)
    with pytest.raises(UsageError, match=r"neither a file nor a name in .*'avsync weights list'"):
        find("nonsense", FORMAT)
    with pytest.raises(UsageError, match="run 'avsync weights convert"):
        find(str(pretrained(model=SMALL)), FORMAT)
    with pytest.raises(UsageError, match="not AV-HuBERT weights but AVH-Align head"):
        find(str(convert(head[1])), FORMAT)
    foreign_file = weights / "foreign.safetensors"
    save_file({"x": torch.zeros(2)}, foreign_file, {"format": "pt"})
    with pytest.raises(UsageError, match="not AV-HuBERT weights written by avsync"):
        find("foreign", FORMAT)


def test_a_broken_file_in_the_folder_is_ignored(pretrained, weights):
    path = convert(pretrained())
    (weights / "broken.safetensors").write_bytes(b"\xff" * 64)
    (weights / "notes.safetensors").write_bytes(path.read_bytes()[:1000])
    assert find(None, FORMAT) == path
    assert describe(weights / "broken.safetensors").format == ""


# The commands


def test_convert_prints_the_file_it_wrote(pretrained, weights):
    result = run("convert", pretrained())
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{weights / 'tiny.safetensors'}: AV-HuBERT weights, 11.2 M parameters")
    assert second == "licence: AV-HuBERT, non-commercial research"


def test_list_shows_licences_and_which_weights_are_on_this_machine(pretrained, weights):
    convert(pretrained(name="self_large_vox_433h.pt"))
    convert(pretrained(name="mine.pt"))
    rows = {line.split()[0]: line for line in run("list").stdout.splitlines() if line.strip()}
    assert "non-commercial" in rows["self_large_vox_433h"]
    assert "yes" in rows["self_large_vox_433h"]
    assert "yes" in rows["mine"]
    assert "yes" not in rows["base_vox_iter5"]
    assert "CC BY-NC-SA 4.0" in rows["AVH-Align_AV1M"]
    assert "Apache-2.0" in rows["facebook/hubert-base-ls960"]
    assert "…" not in "".join(rows.values())


def test_importing_the_commands_is_cheap():
    code = "import sys, avsync.cli.weights, avsync.weights; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "rich", "huggingface_hub"} & set(done.stdout.split())
