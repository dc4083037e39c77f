"""Measuring skill search on labelled sets: what is found, how surely, and how fast."""

from openviking.evaluation.datasets import LabelledQuery, LabelledSet, read_questions, read_set
from openviking.evaluation.measure import Answers, Lead, Report, Row, ask_stored, evaluate
from openviking.evaluation.metrics import Estimate

__all__ = [
    "Answers",
    "Estimate",
    "LabelledQuery",
    "LabelledSet",
    "Lead",
    "Report",
    "Row",
    "ask_stored",
    "evaluate",
    "read_questions",
    "read_set",
]
