"""An encoder that is not opened: it names a build, so that stored vectors of it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from openviking.encoder.builds import build_id, build_key
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from openviking.encoder.manifest import Kernels, Precision


class ClosedEncoder:
    """A TextEncoder for what needs no new vector; costs nothing, and no model need be there.

    Args:
        build_id: of the vectors that are used.
        dim: width of these vectors.
        tokens_max: window of the model.
    """

    def __init__(self, build_id: str, dim: int, tokens_max: int) -> None:
        self.build_id = build_id
        self.dim = dim
        self.tokens_max = tokens_max

    @classmethod
    def of(cls, *, precision: Precision = "int8", kernels: Kernels | None = None) -> Self:
        """Name the build that ``Encoder.open`` would open; raises InputError if there is none."""
        spec = ALL_MPNET_BASE_V2
        return cls(build_id(spec, build_key(precision, kernels)), spec.dim, spec.tokens_max)

    def encode(self, _texts: object) -> NoReturn:
        """Refuse with an EncoderError."""
        raise EncoderError("the model is not opened for this command; nothing can be encoded")

    encode_tokens = encode
    token_counts = encode

    def close(self) -> None:
        """Do nothing."""
