"""Layers and losses for a processor come in as tensors; they go out computed by compiled C, gradients included."""

from parrotlet.networks.compiled.library import arithmetic
from parrotlet.networks.compiled.loss import compiled_cross_entropy
from parrotlet.networks.compiled.recurrent import as_four, run_recurrent
from parrotlet.networks.compiled.windows import windows_cross_entropy

__all__ = ["arithmetic", "as_four", "compiled_cross_entropy", "run_recurrent", "windows_cross_entropy"]
