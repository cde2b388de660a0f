"""Scripts written for textgenrnn come in; they run as they are, on parrotlet, once their import names this package."""

from parrotlet.compat.textgenrnn import textgenrnn
from parrotlet.compat.turns import synthesize, synthesize_to_file

__all__ = ["synthesize", "synthesize_to_file", "textgenrnn"]
