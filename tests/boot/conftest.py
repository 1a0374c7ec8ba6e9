"""The parts around a booted system; those of the end-to-end tests serve here, too."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "e2e")]

from figures import Figures  # noqa: E402
from systems import SMALL, SYSTEMS  # noqa: E402

FIGURES = Figures()


def pytest_sessionfinish(session):
    """A worker hands over what it measured."""
    if output := getattr(session.config, "workeroutput", None):
        output["figures"] = FIGURES.listed()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    FIGURES.take(getattr(node, "workeroutput", {}).get("figures", []))


@pytest.fixture(scope="session")
def figures():
    """Takes what was measured."""
    return FIGURES


@pytest.fixture(scope="module", params=SYSTEMS, ids=str)
def system(request):
    """Each system whose parts are built."""
    return built(request.param)


@pytest.fixture(scope="module", params=SMALL, ids=str)
def small_system(request):
    """The smallest system of each target."""
    return built(request.param)


def built(system):
    if missing := system.missing():
        pytest.skip(missing)
    assert system.kernel.exists(), "run scripts/boot setup first"
    return system


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the console."""
    outcome = yield
    report = outcome.get_result()
    for value in item.funcargs.values():
        machine = getattr(value, "machine", None)
        if report.failed and machine:
            report.sections.append(("the console", "\n".join(machine.log()[-40:])))


def pytest_terminal_summary(terminalreporter):
    if table := FIGURES.write():
        terminalreporter.write_line("\n" + table)
