"""Getting the build that the settings mean, apart from the command that no server needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.errors import EncoderError

if TYPE_CHECKING:
    from openviking.config import Settings
    from openviking.encoder.manifest import BuildKey
    from openviking.encoder.models import ModelInfo
    from openviking.encoder.source import Origin


def require(settings: Settings, *, is_pulling: bool) -> None:
    """Make sure that the configured build can be opened, by pulling it if that is allowed.

    Raises:
        EncoderError: it is missing or damaged; the message names the command that mends it.
    """
    from openviking.encoder import models

    if is_pulling:
        pull_build(settings, "index", keep_source=False)
        return
    try:
        models.ready(chosen_build(settings), settings.model.dir)
    except EncoderError as error:
        raise EncoderError(f"{error}; `openviking serve --pull` does it first") from error


def chosen_build(settings: Settings) -> BuildKey:
    """Return which build the settings mean; raises InputError if there is none such."""
    from openviking.encoder.builds import build_key

    return build_key(settings.model.precision, settings.model.kernels)


def pull_build(settings: Settings, origin: Origin, *, keep_source: bool) -> list[ModelInfo]:
    """Fetch the published weights if they are missing and build from them, with a progress bar."""
    from openviking.cli.progress import ProgressLine
    from openviking.encoder import models

    with ProgressLine("model") as line:
        return models.pull(
            settings.model.dir,
            builds=(chosen_build(settings),),
            origin=origin,
            keep_source=keep_source,
            report=line.report,
        )
