"""The openvino package, without the part of it that sends reports of its use.

`openvino_telemetry`, which comes with it, wants to keep an id of the user in ``~/intel`` as soon as
it is imported, and to talk to a server on each conversion. OpenVINO does without where it is not
installed; so to OpenVINO it is not. Import the library from here only.
"""

from __future__ import annotations

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it fails

import openvino  # noqa: E402
from openvino import opset13 as opset  # noqa: E402
from openvino.preprocess import PrePostProcessor  # noqa: E402

__all__ = ["PrePostProcessor", "openvino", "opset"]
