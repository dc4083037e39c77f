"""Resources: texts kept under URIs of the client's choice, with versions, and found again."""

from openviking.resources.folder import FileProblem, FolderImport, ImportReport
from openviking.resources.resources import (
    CONTENT_BYTES_MAX,
    PAGE_MAX,
    TTL_S_MAX,
    URI_CHARS_MAX,
    Resources,
)
from openviking.resources.search import ResourceHit, ResourcePassage, ResourceSearch, ResourceWhy
from openviking.resources.transfer import export_lines, import_lines

__all__ = [
    "CONTENT_BYTES_MAX",
    "PAGE_MAX",
    "TTL_S_MAX",
    "URI_CHARS_MAX",
    "FileProblem",
    "FolderImport",
    "ImportReport",
    "ResourceHit",
    "ResourcePassage",
    "ResourceSearch",
    "ResourceWhy",
    "Resources",
    "export_lines",
    "import_lines",
]
