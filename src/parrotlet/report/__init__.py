"""A model and the text that it was trained on come in; its report card goes out: what it writes, beside human text."""

from parrotlet.report.anew import as_trained, report_card, report_in
from parrotlet.report.card import Figures, Report, Rows
from parrotlet.report.material import Material, characters_of, gather
from parrotlet.report.measure import CHARACTERS, PIECE, make_report

__all__ = [
    "CHARACTERS",
    "PIECE",
    "Figures",
    "Material",
    "Report",
    "Rows",
    "as_trained",
    "characters_of",
    "gather",
    "make_report",
    "report_card",
    "report_in",
]
