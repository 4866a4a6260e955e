"""Ctrl-C: in good order the first time, never in the middle of a lock of Python's own code, at once the second time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from wkplug.cli import main as cli_main
from wkplug.cli.interrupts import Interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")


@pytest.fixture(autouse=True)
def pythons_own_handling() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_raises_as_ever_and_is_noted() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts.came
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("module", ["threading", "concurrent.futures.thread", "queue"])
def test_an_interrupt_within_code_that_takes_locks_comes_a_moment_later(module: str) -> None:
    space: dict[str, Any] = {"__name__": module, "signal": signal}
    exec("def acquire():\n    signal.raise_signal(signal.SIGINT)\n    return 'whole'", space)
    with Interrupts() as interrupts:
        assert space["acquire"]() == "whole"
        assert interrupts.came
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)


def test_an_interrupt_that_is_put_off_until_the_command_has_ended_is_dropped() -> None:
    space: dict[str, Any] = {"__name__": "threading", "signal": signal}
    exec("def acquire():\n    signal.raise_signal(signal.SIGINT)", space)
    with Interrupts() as interrupts:
        space["acquire"]()
        assert interrupts.came
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    time.sleep(0.05)


def test_an_interrupt_of_what_only_waits_comes_at_once() -> None:
    space: dict[str, Any] = {"__name__": "threading", "signal": signal}
    exec("def wait():\n    signal.raise_signal(signal.SIGINT)", space)
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        space["wait"]()


def test_the_second_interrupt_ends_the_process_at_once() -> None:
    code = (
        "import signal, time\n"
        "from wkplug.cli.interrupts import Interrupts\n"
        "with Interrupts():\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    finally:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "        time.sleep(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"Interrupted.\n")


def test_other_handlings_of_interrupts_are_left_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert not interrupts.came
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_error_that_a_library_makes_of_an_interrupt_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: Any) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(cli_main.cli, "main", broken)
    assert cli_main.main(["info", "x"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"
