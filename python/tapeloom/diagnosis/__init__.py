"""Which reading of the stamps fits the calendar: starts or ends, shifted, in another zone. It changes no data."""

from tapeloom.diagnosis.diagnose import Diagnosis, diagnose
from tapeloom.diagnosis.readings import Reading
from tapeloom.diagnosis.wall import wall_times

__all__ = ["Diagnosis", "Reading", "diagnose", "wall_times"]
