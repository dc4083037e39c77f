"""Measuring skill search on labelled sets: what is found, how surely, and how fast."""

from openviking.evaluation.datasets import LabelledQuery, LabelledSet, read_questions, read_set
from openviking.evaluation.measure import Report, Row, evaluate, evaluate_stored
from openviking.evaluation.metrics import Estimate

__all__ = [
    "Estimate",
    "LabelledQuery",
    "LabelledSet",
    "Report",
    "Row",
    "evaluate",
    "evaluate_stored",
    "read_questions",
    "read_set",
]
