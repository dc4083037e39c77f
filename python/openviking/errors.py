"""Every exception that OpenViking raises on purpose, as one tree.

A message says what was expected, what came, and which argument was meant; where a command mends the
matter, it names the command. Exceptions of other libraries are translated in the module that owns
the library and stay reachable as ``__cause__``.
"""


class OpenVikingError(Exception):
    """Base of all errors raised by this package."""


class ConfigError(OpenVikingError):
    """A setting, an ``ov.conf`` file or an environment variable is wrong."""


class InputError(OpenVikingError, ValueError):
    """An argument cannot be used; ``loc`` names it, outermost part first.

    Args:
        message: what was expected and what came.
        loc: path to the offending value, e.g. ``("texts", 3)``.
    """

    def __init__(self, message: str, *, loc: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.loc = loc


class ShapeError(InputError):
    """An array has the wrong rank, width, dtype or memory order, or holds a non-finite value."""


class LimitError(InputError):
    """An argument is well-formed but larger than a documented limit."""


class NotFoundError(OpenVikingError, LookupError):
    """No record of that id, URI or name exists."""


class ConflictError(OpenVikingError):
    """The change would overwrite something that it must not."""


class OverloadedError(OpenVikingError):
    """A queue is full or a deadline has passed; trying again later can succeed.

    Args:
        message: what is full or late.
        retry_after_s: seconds after which a retry is sensible.
    """

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendError(OpenVikingError):
    """Something below us failed: a model or the store."""


class EncoderError(BackendError):
    """The model is missing, damaged, foreign or failed while running."""


class ChatError(BackendError):
    """The chat model that ``llm`` names refused, was late, or answered nonsense."""


class StoreError(BackendError):
    """The store cannot be opened, read or written."""


class StoreInUseError(StoreError):
    """Another process, or another store of this one, holds the storage folder."""
