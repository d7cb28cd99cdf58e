import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="the engine of the tests: cpu, gpu, gpu:ADAPTER")


@pytest.fixture(scope="session")
def device(request):
    return request.config.getoption("--device")
