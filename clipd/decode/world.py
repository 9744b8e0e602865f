"""What a refusal depended on besides the file: another world is a reason to try the file again."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from clipd import __version__
from clipd.config.options import DecoderConfig
from clipd.photo import FailureKind

# What decodes, by the names of the packages: their versions are read without importing them.
_CODECS: Final = ("Pillow", "pillow-heif", "rawpy")


def codec_versions() -> str:
    """Name what decodes here and its versions, a missing extra included, in a stable order.

    clipd itself is part of it: which formats are read, and what counts as damaged, is its own.
    """
    return " ".join((f"clipd={__version__}", *map(_named, _CODECS)))


def refusal_world(kind: FailureKind, limits: DecoderConfig, codecs: str) -> str:
    """Return a short text that differs when a file refused for this reason is worth another try.

    Args:
        kind: why it was refused.
        limits: of the decoders now.
        codecs: from `codec_versions`, asked for once, because it reads files.

    Returns:
        "" for a kind that depends on nothing but the file and its disk.
    """
    match kind:
        case "too-large":
            return f"max_pixels={limits.max_pixels} max_file={limits.max_file}"
        case "unsupported" | "corrupt":
            return codecs
        case "timeout":
            return f"timeout={limits.timeout:g} {codecs}"
        case "memory":
            return f"memory={limits.memory} {codecs}"
        case "crash":
            return f"timeout={limits.timeout:g} memory={limits.memory} {codecs}"
        case _:
            return ""


def _named(package: str) -> str:
    try:
        return f"{package}={version(package)}"
    except PackageNotFoundError:
        return f"{package}=none"
