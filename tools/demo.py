"""The demo: real images become datasets with pyramids, are read back, and leave a picture.

The images come from the wheel of the `stardist` package (BSD-3), of which nothing is installed or run: it holds a
fluorescence micrograph with hand-made labels, and a synthetic volume with its labels. Run by `make demo`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import tifffile

import wkplug as wk

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "demo"
OUTPUT = ROOT / "demo-output"

# Any one wheel will do, because it is only unzipped: the same file on every platform.
WHEEL = ("stardist==0.9.2", "--python-version", "311", "--platform", "manylinux_2_28_x86_64")

JOBS = (
    # name, image, labels, voxel size in nm, what to say
    ("nuclei-2d", "img2d.tif", "mask2d.tif", "500,500,500", "a real image of nuclei, with hand-made labels"),
    ("nuclei-3d", "img3d.tif", "mask3d.tif", "500,500,1000", "a synthetic volume of nuclei, with its labels"),
)  # fmt: skip


def main() -> None:
    """Import, downsample, read back, draw."""
    images = sample_images()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    for name, image, labels, voxel_size, what in JOBS:
        target = OUTPUT / name
        say(f"\n=== {name}: {what} (the voxel size is assumed) ===\n")
        wkplug("convert", images / image, target, "--voxel-size", voxel_size, "--layer-name", "image")
        say("\nThe labels come in through Python:\n")
        say(f'>>> dataset = wk.Dataset.open("{shown(target)}")')
        dataset = wk.Dataset.open(target)
        say(
            f'>>> labels = dataset.add_layer_from_images("{shown(images / labels)}", "labels", "segmentation")'
        )
        layer = dataset.add_layer_from_images(images / labels, "labels", "segmentation")
        mode = "constant_z" if layer.bounding_box.size_xyz.z == 1 else "anisotropic"
        say(f'>>> labels.downsample(sampling_mode="{mode}")')
        layer.downsample(sampling_mode=mode)
        check(dataset, "image", images / image)
        check(dataset, "labels", images / labels)
        sizes(target, [images / image, images / labels])
        say()
        wkplug("info", target)
        say()
        wkplug("preview", target, "-o", OUTPUT / f"{name}.png")
    say("\nDone. Look at the pictures:")
    for name, *_ in JOBS:
        say(f"  {shown(OUTPUT / name)}.png")


def sample_images() -> Path:
    """Fetch the wheel once and unzip its images; give their folder."""
    folder = CACHE / "stardist" / "data" / "images"
    if not (folder / "mask3d.tif").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        say("Fetching sample images (3 MB) ...")
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary", ":all:", "--dest", str(CACHE)]
        subprocess.run([*pip, *options, *WHEEL], check=True)
        for wheel in CACHE.glob("stardist-*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                wanted = [
                    item
                    for item in archive.namelist()
                    if item.startswith("stardist/data/images/") or "LICENSE" in item
                ]
                archive.extractall(CACHE, wanted)
    return folder


def check(dataset: wk.Dataset, layer: str, source: Path) -> None:
    """Read a layer back and compare it with the file, voxel by voxel."""
    expected = np.atleast_3d(tifffile.imread(source).T)
    found = dataset.get_layer(layer).get_mag(1).read()[0]
    if not np.array_equal(found, expected):
        sys.exit(f"{layer} differs from {source.name}")
    say(f"{layer}: {found.size:,} voxels read back, all equal to {source.name}")


def sizes(dataset: Path, sources: list[Path]) -> None:
    """Compare bytes on disk: the images, and the dataset with all its mags."""
    stored = sum(file.stat().st_size for file in dataset.rglob("*") if file.is_file())
    given = sum(source.stat().st_size for source in sources)
    say(f"on disk: {stored / 1000:,.0f} kB with all mags; the image files: {given / 1000:,.0f} kB")


def wkplug(*arguments: object) -> None:
    """Run a command of the command line as a user would, from the root of the repository."""
    words = [shown(word) if isinstance(word, Path) else str(word) for word in arguments]
    say(f"$ wkplug {' '.join(words)}")
    command = [str(Path(sys.executable).parent / "wkplug"), *words]
    if sys.stderr.isatty():
        subprocess.run(command, check=True, cwd=ROOT)
        return
    done = subprocess.run(command, check=False, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for line in done.stderr.splitlines():
        say(line)
    if done.returncode:
        sys.exit(done.returncode)


def shown(path: Path) -> str:
    """Give a path as one types it in the repository's root."""
    return path.relative_to(ROOT).as_posix()


def say(text: str = "") -> None:
    """Print at once, so that the lines of commands come in order."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
