"""Run by the interpreter of `.cache/peer-volumes`: one plane of a precomputed volume, as neuroglancer draws it.

Arguments: the folder that holds the volume, its name, "image" or "segmentation", the plane's z, width and height, the
volume's first voxel as "x,y,z", and the file for the picture (.npy, rows of RGBA). One voxel is one pixel.
"""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import neuroglancer
import numpy as np

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist", "--disable-dev-shm-usage", "--no-first-run", "--window-size=600,500",
)  # fmt: skip


class Files(http.server.SimpleHTTPRequestHandler):
    """Files with ranges, for pages of any origin."""

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        self.send_header("Access-Control-Expose-Headers", "Content-Range,Content-Length")
        super().end_headers()

    def do_OPTIONS(self):
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(206 if found else 200)
        if found:
            first, last = int(found[1]), int(found[2] or len(data) - 1)
            self.send_header("Content-Range", f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}")
            data = data[first : last + 1]
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        del arguments


def main():
    folder, name, kind, z, width, height, corner, target = sys.argv[1:]
    x, y, _ = map(int, corner.split(","))
    width, height = int(width), int(height)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.Viewer()
    source = f"precomputed://http://127.0.0.1:{server.server_port}/{name}"
    with viewer.txn() as state:
        state.dimensions = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[4, 4, 40])
        if kind == "image":
            shader = "void main() { emitGrayscale(toNormalized(getDataValue())); }"
            state.layers["v"] = neuroglancer.ImageLayer(source=source, shader=shader, opacity=1)
        else:
            state.layers["v"] = neuroglancer.SegmentationLayer(
                source=source, not_selected_alpha=1, selected_alpha=1
            )
        state.layout = "xy"
        state.position = [x + width / 2, y + height / 2, int(z) + 0.5]
        state.cross_section_scale = 1
        state.show_axis_lines = False
        state.show_scale_bar = False
        state.show_default_annotations = False
        state.cross_section_background_color = "#000000"
    with tempfile.TemporaryDirectory() as profile:
        browser = subprocess.Popen(
            [BROWSER, *FLAGS, f"--user-data-dir={profile}", viewer.get_viewer_url()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            taken = viewer.screenshot(size=[width, height])
            np.save(target, taken.screenshot.image_pixels)
        finally:
            browser.terminate()
            browser.wait(30)
    server.shutdown()


main()
