"""`wkplug config`: each value with its source, and no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wkplug import config
from wkplug.cli.main import main
from wkplug.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "wkplug.toml"
    file.write_text(
        '[backends]\nzarr3 = "zarr"\n[storage."s3://b"]\nanon = false\nsecret = "hush"\n'
        'client_kwargs = { token = "hush", region = "x" }\n[[rules]]\nmatch = "/a/**"\nformat = "n5"\n'
    )
    monkeypatch.setenv("WKPLUG_CONFIG", str(file))
    monkeypatch.setenv("WKPLUG_LOCK_TIMEOUT", "5")
    config.reload()
    yield file
    monkeypatch.undo()
    config.reload()


def test_every_value_is_shown_with_its_source(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["backends.zarr3", '"zarr"', f"{configured}:2"] in lines
    assert ["lock_timeout", "5.0", "WKPLUG_LOCK_TIMEOUT"] in lines
    assert ["default_format", '"zarr3"', "default"] in lines
    assert [str(configured)] in lines, "the files that were read are listed"
    assert any(line[0] == "rules[1]" for line in lines if line)


def test_secrets_are_not_shown(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    told = capsys.readouterr().out
    assert "hush" not in told
    facts = {entry["key"]: entry["value"] for entry in json.loads(told)["settings"]}
    assert facts['storage."s3://b".secret'] == "(hidden)"
    assert facts['storage."s3://b".client_kwargs'] == {"token": "(hidden)", "region": "x"}
    assert facts['storage."s3://b".anon'] is False
    assert {"path": str(configured), "exists": True} in json.loads(told)["files"]


def test_a_wrong_file_is_an_error_as_text(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured.write_text("defaultformat = 1\n")
    with pytest.raises(ConfigError):
        config.reload()
    assert main(["config"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(
        f"Error: Unknown key 'defaultformat' ({configured}:1). Did you mean 'default_format'?"
    )
    configured.write_text("")
