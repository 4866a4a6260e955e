"""The options that commands share: where work runs, and what contradicts what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest

import wkplug as wk
from wkplug import registry
from wkplug.builtin.executors import ProcessesExecutor, SequentialExecutor, ThreadsExecutor
from wkplug.cli.main import main
from wkplug.cli.options import executor_options, make_executor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command()
@click.argument("target")
@executor_options
def probe(target: str, *, executor: Any) -> Any:
    return target, type(executor), executor.workers


def run(*arguments: str) -> Any:
    return probe.main(args=["target", *arguments], standalone_mode=False)


class Cluster(ThreadsExecutor):
    """An executor of a plugin, that remembers its settings."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(workers=1)
        self.settings = dict(settings)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any name is that of an executor; what it gets is kept."""
    monkeypatch.setattr(registry, "executor", lambda name, options: Cluster({"name": name, **options}))


def settings(strategy: str, jobs: int | None = None, **resources: Any) -> dict[str, Any]:
    executor: Any = make_executor(strategy, jobs, resources)
    made: dict[str, Any] = executor.settings
    return made


def test_a_command_gets_an_executor() -> None:
    assert run() == ("target", ThreadsExecutor, ThreadsExecutor().workers)
    assert run("--jobs", "3") == ("target", ThreadsExecutor, 3)
    assert run("--distribution-strategy", "multiprocessing", "--jobs", "3") == ("target", ThreadsExecutor, 3)
    assert run("--distribution-strategy", "processes", "--jobs", "2") == ("target", ProcessesExecutor, 2)
    assert run("--distribution-strategy", "sequential") == ("target", SequentialExecutor, 1)


@pytest.mark.usefixtures("cluster")
def test_a_plugin_gets_jobs_and_resources_as_settings() -> None:
    assert settings("slurm", mem="4G") == {"name": "slurm", "job_resources": {"mem": "4G"}}
    assert settings("kubernetes", 3, cpu=1) == {
        "name": "kubernetes",
        "workers": 3,
        "job_resources": {"cpu": 1},
    }
    assert settings("other", 3) == {"name": "other", "workers": 3}
    assert settings("slurm+batching", 7, mem="4G") == {
        "name": "slurm",
        "target_job_count": 7,
        "job_resources": {"mem": "4G"},
    }
    for key in ("batch_size", "batch-size"):
        assert settings("slurm+batching", **{key: 9}, mem="4G") == {
            "name": "slurm",
            "batch_size": 9,
            "job_resources": {"mem": "4G"},
        }


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("given", "resources"),
    [
        ("mem=4G,cpus-per-task=2,time=1.5,x=a=b", {"mem": "4G", "cpus_per_task": 2, "time": 1.5, "x": "a=b"}),
        ('{"cpus-per-task": 2, "list": [1]}', {"cpus-per-task": 2, "list": [1]}),
    ],
)
def test_resources_are_pairs_or_json(given: str, resources: dict[str, Any]) -> None:
    seen: list[Any] = []

    @click.command()
    @executor_options
    def command(*, executor: Any) -> None:
        seen.append(executor.settings["job_resources"])

    command.main(args=["--distribution-strategy", "slurm", "--job-resources", given], standalone_mode=False)
    assert seen == [resources]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--jobs 0", "0 is not in the range x>=1"),
        ("--jobs many", "'many' is not a valid integer"),
        (
            "--distribution-strategy sequential --jobs 2",
            "--jobs has no meaning with --distribution-strategy sequential",
        ),
        ("--job-resources mem=4G", "--job-resources has no meaning with --distribution-strategy threads"),
        (
            "--distribution-strategy multiprocessing --job-resources mem=4G",
            "--job-resources has no meaning with --distribution-strategy multiprocessing",
        ),
        (
            "--distribution-strategy sequential --job-resources mem=4G",
            "--job-resources has no meaning with --distribution-strategy sequential",
        ),
        ("--distribution-strategy slurm", "--distribution-strategy slurm needs --job-resources"),
        (
            "--distribution-strategy slurm+batching",
            "--distribution-strategy slurm+batching needs --job-resources",
        ),
        ("--distribution-strategy kubernetes", "--distribution-strategy kubernetes needs --job-resources"),
        (
            "--distribution-strategy kubernetes+batching --job-resources a=1",
            "batching is known as slurm+batching only",
        ),
        ("--distribution-strategy slurm+batching --job-resources mem=4G", "there is neither"),
        ("--distribution-strategy slurm+batching --jobs 2 --job-resources batch-size=3", "there are both"),
        ("--distribution-strategy slurm --job-resources mem", "'mem' is not KEY=VALUE"),
        ("--distribution-strategy slurm --job-resources =4G", "'=4G' is not KEY=VALUE"),
        ("--distribution-strategy slurm --job-resources {a", "is not a JSON object"),
    ],
)
def test_contradictions_are_usage_errors(arguments: str, message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        run(*arguments.split(" "))
    assert message in caught.value.format_message()
    assert caught.value.exit_code == 2


def test_a_missing_executor_plugin_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    for command in (
        ["compress"],
        ["check-equality", str(tmp_path / "ds")],
        ["copy-dataset", str(tmp_path / "t")],
    ):
        arguments = [command[0], str(tmp_path / "ds"), *command[1:], "--distribution-strategy"]
        assert main([*arguments, "slurm", "--job-resources", "mem=4G"]) == 1
        assert "No plugin knows the executor 'slurm'." in capsys.readouterr().err
        assert main([*arguments, "slurm"]) == 2
        assert "needs --job-resources" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
