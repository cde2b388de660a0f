"""The functions that scripts import from ``textgenrnn.utils``, under that name."""

from parrotlet.compat.files import textgenrnn_texts_from_file, textgenrnn_texts_from_file_context
from parrotlet.compat.turns import synthesize, synthesize_to_file

__all__ = ["synthesize", "synthesize_to_file", "textgenrnn_texts_from_file", "textgenrnn_texts_from_file_context"]
