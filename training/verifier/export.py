"""Write the trained verifier as an int8 ONNX graph with its tokenizer, card and notice.

    python training/verifier/export.py --weights verifier.safetensors --minilm FOLDER

The backbone is written by `build_minilm.py`, whose choices hold here too; the head stays fp32.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).parent.parent))

from build_minilm import CONTRIB, Floats, Graph, layer, tokenizer, write

TARGET = Path(__file__).parent.parent.parent / "proxy" / "models" / "verifier"
NAME = "minilm-verifier-int8"
MAX_TOKENS = 160  # of both questions together; the longest pair trained on has 128
MIN_PROBABILITY = 0.65  # chosen from the table of `evaluate.py`: see README.md
PRODUCT = 20.0  # as in network.py
INPUTS = ("input_ids", "token_type_ids")


def embeddings(graph: Graph) -> str:
    """Word, position and token type, normalised."""
    kinds = graph.weights["embeddings.token_type_embeddings.weight"]
    places = graph.weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    words = graph.lookup("input_ids")
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    start = graph.constant("positions.start", np.array([0], np.int64))
    axis = graph.constant("positions.axis", np.array([0], np.int64))
    used = graph.node(
        "Slice", [graph.constant("positions.table", places), start, length, axis], "positions"
    )
    placed = graph.node("Add", [words, used], "placed")
    typed = graph.node("Gather", [graph.constant("types.table", kinds), INPUTS[1]], "types")
    return graph.norm(graph.node("Add", [placed, typed], "embedded"), "embeddings.LayerNorm")


def mean(graph: Graph, x: str, kept: str, name: str) -> str:
    """Mean of the tokens of one question: (batch, dimension)."""
    axis = graph.constant(f"{name}.axis", np.array([1], np.int64))
    weighted = graph.node("Mul", [x, kept], f"{name}.weighted")
    total = graph.node("ReduceSum", [weighted, axis], f"{name}.total", keepdims=0)
    count = graph.node("ReduceSum", [kept, axis], f"{name}.count", keepdims=0)
    return graph.node("Div", [total, count], name)


def head(graph: Graph, x: str, weights: dict[str, Floats]) -> None:
    """As `Verifier.forward` after the backbone."""
    last = graph.constant("head.last", np.array([-1], np.int64))
    types = graph.node("Cast", [INPUTS[1]], "head.types", to=TensorProto.FLOAT)
    second_kept = graph.node("Unsqueeze", [types, last], "head.second.kept")
    one = graph.constant("head.one", np.array(1, np.float32))
    first_kept = graph.node("Sub", [one, second_kept], "head.first.kept")
    first = mean(graph, x, first_kept, "head.first")
    second = mean(graph, x, second_kept, "head.second")
    apart = graph.node("Abs", [graph.node("Sub", [first, second], "head.minus")], "head.apart")
    scale = graph.constant("head.scale", np.array(PRODUCT, np.float32))
    product = graph.node("Mul", [first, second], "head.both")
    scaled = graph.node("Mul", [product, scale], "head.scaled")
    zero = graph.constant("head.zero", np.array([0], np.int64))
    opening = graph.node("Gather", [x, zero], "head.opening", axis=1)
    token = graph.node("Squeeze", [opening, graph.constant("head.middle", np.array([1]))], "token")
    seen = graph.node("Concat", [token, apart, scaled], "head.seen", axis=-1)
    units = [
        graph.node("LpNormalization", [part], f"{part}.unit", axis=-1, p=2)
        for part in (first, second)
    ]
    pair = graph.node("Mul", units, "head.units")
    cosine = graph.node("ReduceSum", [pair, last], "head.cosine", keepdims=1)
    graph.quantised = False
    inner = graph.linear(seen, "inner", weights["inner.weight"], weights["inner.bias"])
    active = graph.node("Gelu", [inner], "inner.gelu", domain=CONTRIB)
    outer = graph.linear(active, "outer", weights["outer.weight"], weights["outer.bias"])
    near = graph.linear(cosine, "near", weights["cosine.weight"], weights["cosine.bias"])
    graph.node("Sigmoid", [graph.node("Add", [outer, near], "logit")], "probability")


def build(weights: dict[str, Floats], *, quantised: bool) -> onnx.ModelProto:
    """The model: (1, tokens) ids and types -> (1, 1) probability."""
    backbone = {
        name.removeprefix("backbone."): value
        for name, value in weights.items()
        if name.startswith("backbone.")
    }
    graph = Graph(backbone, quantised=quantised)
    ones = graph.node("Shape", ["input_ids"], "ids.shape")
    one = onnx.numpy_helper.from_array(np.array([1], np.int32), "mask.one")
    graph.nodes.append(
        helper.make_node("ConstantOfShape", [ones], ["mask"], name="mask", value=one)
    )
    x = embeddings(graph)
    layers = 1 + max(int(name.split(".")[2]) for name in backbone if "layer." in name)
    for index in range(layers):
        x = layer(graph, x, f"encoder.layer.{index}")
    head(graph, x, weights)
    shape = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in INPUTS]
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])
    return helper.make_model(
        helper.make_graph(graph.nodes, "verifier", inputs, [output], graph.constants),
        producer_name="reprise",
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--minilm", type=Path, required=True, help="the published tokenizer")
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--fp32", action="store_true", help="not quantised, to compare with")
    options = parser.parse_args()
    model = build(dict(load_file(options.weights)), quantised=not options.fp32)
    facts: dict[str, object] = {
        "name": NAME,
        "max_tokens": MAX_TOKENS,
        "min_probability": MIN_PROBABILITY,
    }
    write(model, tokenizer(options.minilm), options.target, facts)


if __name__ == "__main__":
    main()
