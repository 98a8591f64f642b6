"""What the Dockerfile says of the image; `make test-image` carries it out."""

from pathlib import Path

from proxy.config.loading import OVERRIDES
from tests.image.dockerfile import assignments, context, stages

ROOT = Path(__file__).parents[2]
LAST = [*stages(ROOT / "Dockerfile")][-1][1]


def test_the_image_runs_as_a_user_that_kubernetes_knows_is_not_root() -> None:
    """`runAsNonRoot` is checked by number: a name would have to be looked up in the image."""
    user, group = [step.value for step in LAST if step.name == "USER"][-1].split(":")

    assert int(user) > 0
    assert int(group) > 0


def test_the_image_sets_variables_that_the_program_reads() -> None:
    """A variable with a slip in its name would do nothing, and say nothing."""
    told = {name for step in LAST if step.name == "ENV" for name in assignments(step.value)}

    assert told - {"PATH", "PYTHONUNBUFFERED"} <= set(OVERRIDES)


def test_the_image_is_built_from_what_it_needs() -> None:
    """Tests, data and a checkout's history stay out of it; the models come along."""
    names = {str(file) for file in context(ROOT)}

    assert "proxy/models/minilm/model.onnx" in names
    assert {Path(name).parts[0] for name in names} == {
        *("LICENSE", "README.md", "deploy", "proxy", "pyproject.toml")
    }
