"""A folder with a model for ONNX Runtime: graph, tokenizer, and a card that names both files.

What is loaded is what the card's digests say, byte for byte, and the model's id is made of them: a
damaged file is an error, and two builds of one model are two models.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from tokenizers import Tokenizer

from proxy.core.model import digest
from proxy.errors import TierError

# Read as ONNX Runtime is loaded, which else would report its use to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

MODEL_FILE: Final = "model.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
UNKNOWN: Final = "[UNK]"
ID_CHARS: Final = 8
"""Of the files' digest in an id: 32 bits tell builds of one model apart."""

_DROPPED: Final = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f"  # control characters
    "\ud800-\udfff\ufffd"  # what a broken decoder leaves
    "\ue000-\uf8ff\U000f0000-\U0010ffff]"  # private use
)
"""Characters a BERT tokenizer leaves out without a trace; invisible ones that mean nothing stay."""


@dataclass(frozen=True, slots=True)
class Card:
    """`card.json`: what the folder holds.

    Attributes:
        name: Model and quantisation, the first part of the model's id.
        max_tokens: The longest input it reads, special tokens included.
        files: SHA-256 of each file, in hex, by file name.
        facts: Everything that the card says.
    """

    name: str
    max_tokens: int
    files: Mapping[str, str]
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Card":
        """The folder's card. Raises TierError when it is missing or says something else."""
        path = folder / "card.json"
        try:
            found = orjson.loads(path.read_bytes())
            files = {name: str(found["files"][name]) for name in (MODEL_FILE, TOKENIZER_FILE)}
            return cls(str(found["name"]), int(found["max_tokens"]), files, found)
        except OSError as error:
            raise TierError(f"{path}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise TierError(f"{path}: not a model's card: {error!r}") from error

    @property
    def id(self) -> str:
        """The model's id: name, and a digest of weights and tokenizer."""
        files = (self.files[MODEL_FILE].encode(), self.files[TOKENIZER_FILE].encode())
        return f"{self.name}-{digest(*files)[:ID_CHARS]}"

    def number(self, name: str, default: float | None = None) -> float:
        """A number that the card names. Raises TierError when it is missing or none."""
        try:
            return float(self.facts[name] if default is None else self.facts.get(name, default))
        except (KeyError, TypeError, ValueError) as error:
            raise TierError(f"{self.name}: not a model's card: {name}: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run, by several threads at a time.

    Attributes:
        session: The graph.
        tokenizer: Neither pads nor cuts.
        unknown: The token of words that the model does not know; None where it knows all.
    """

    session: ort.InferenceSession
    tokenizer: Tokenizer
    unknown: int | None


def load(folder: Path, card: Card, threads: int = 1) -> Loaded:
    """Load the folder's files.

    Args:
        folder: Holds them.
        card: The folder's card.
        threads: Of one run.

    Raises:
        TierError: They are missing, damaged, or no model that this runtime can run.
    """
    weights, words = (
        _whole(folder / name, card.files[name]) for name in (MODEL_FILE, TOKENIZER_FILE)
    )
    try:
        session, tokenizer = _session(weights, threads), _tokenizer(words)
    except Exception as error:  # both libraries raise classes of their own, and bare ones
        raise TierError(f"{folder}: cannot be loaded: {error}") from error
    return Loaded(session, tokenizer, tokenizer.token_to_id(UNKNOWN))


def says_something_else(text: str) -> bool:
    """Whether a tokenizer would make it equal to another text: blank, or with what it drops."""
    return not text or text.isspace() or _DROPPED.search(text) is not None


def _whole(path: Path, known: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TierError(f"{path}: {error.strerror}") from error
    if sha256(content).hexdigest() != known:
        raise TierError(f"{path}: not the file its card names: damaged, or another build")
    return content


def _session(weights: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The graph is written as it shall run; higher levels would fuse it into slower nodes.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # A spinning thread takes the core that the event loop needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised as well
    return ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _tokenizer(words: bytes) -> Tokenizer:
    tokenizer = Tokenizer.from_buffer(words)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # A caller's "[SEP]" is five characters of text, not a command to the model.
    tokenizer.encode_special_tokens = True
    return tokenizer
