"""``check``, ``gaps`` and ``resample`` on a frame, arrays, ``Bars`` or a path: no session, config or storage is needed."""

from tapeloom.standalone.functions import check, gaps, resample
from tapeloom.standalone.resampled import ResampledBars

__all__ = ["ResampledBars", "check", "gaps", "resample"]
