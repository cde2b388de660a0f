"""What all tests share: modest hypothesis settings, real corpora where they are at hand, no thread storms."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "parrotlet",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("parrotlet")


@pytest.fixture
def corpora() -> Path:
    """The folder of real corpora; the test is skipped, visibly, where there is none."""
    folder = os.environ.get("PARROTLET_DATA")
    if not folder:
        pytest.skip("PARROTLET_DATA is not set: no real corpora at hand")
    return Path(folder)


def pytest_report_header() -> list[str]:
    """List the members that the laws are tested over, so that a new one is seen to be picked up."""
    from parrotlet.corpus import READERS
    from parrotlet.runtime.shapes import expected_shapes  # noqa: F401
    from parrotlet.sampling import RULES
    from parrotlet.tokenizers import TOKENIZERS

    found = {"tokenizers": TOKENIZERS, "rules": RULES, "readers": READERS}
    try:
        from parrotlet.networks import NETWORKS
    except ImportError:
        pass
    else:
        found["networks"] = NETWORKS
    return [f"{kind}: {', '.join(members)}" for kind, members in found.items()]
