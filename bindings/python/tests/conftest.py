import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="the engine of the tests: cpu, gpu, gpu:ADAPTER")
    parser.addoption(
        "--repository",
        type=Path,
        default=Path(__file__).resolve().parent / "../../..",
        help="the repository's root, where the tests are a copy",
    )


@pytest.fixture(scope="session")
def device(request):
    return request.config.getoption("--device")


@pytest.fixture(scope="session")
def repository(request):
    return request.config.getoption("--repository").resolve()


def pytest_configure(config):
    # A thread of a test that ends with an exception is a test that fails.
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")
