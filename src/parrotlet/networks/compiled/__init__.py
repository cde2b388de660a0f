"""Layers and losses for a processor come in as tensors; they go out computed by compiled C, gradients included."""

from parrotlet.networks.compiled.library import arithmetic
from parrotlet.networks.compiled.loss import compiled_cross_entropy
from parrotlet.networks.compiled.lstm import run_lstm

__all__ = ["arithmetic", "compiled_cross_entropy", "run_lstm"]
