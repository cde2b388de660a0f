"""Network settings come in; a stack of layers goes out, which reading with a state and reading windows share."""

from torch import Tensor, nn

from parrotlet.networks.layers import LONG_MEMORY, Entering, initialise, new_layer, values_of
from parrotlet.networks.network import Network
from parrotlet.runtime.shapes import layers_of
from parrotlet.settings import NetworkSettings


class StackedNetwork(Network):
    """Recurrent layers, and dense ones after them, between an input and a softmax layer.

    LSTM: Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000); GRU: Cho et al. 2014, by default in the
    reset-after form of cuDNN; RNN: Elman 1990.
    """

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        described = layers_of(settings, vocabulary_size)
        self.layer_settings = [layer.settings for layer in described]
        self.recurrent = sum(layer.kind != "dense" for layer in self.layer_settings)
        self.layers = nn.ModuleList(new_layer(layer) for layer in described)
        normalised = settings.layers if settings.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(settings.hidden) for _ in range(normalised))
        self.output = self._new_output()
        for module, layer in zip(self.layers, self.layer_settings, strict=True):
            initialise(module, layer, memory=0 if settings.context else LONG_MEMORY)

    def _leave(self, index: int, leaving: Tensor, entering: Entering) -> Tensor:
        """From what layer ``index`` made of ``entering`` to what the next one reads: (…, H) → (…, H)."""
        if self.settings.residual and index:
            leaving = leaving + values_of(entering)
        if self.settings.layer_norm:
            leaving = self.norms[index](leaving)
        return self._drop(leaving, self.settings.dropout_between) if index < len(self.layers) - 1 else leaving

    def _finish(self, hidden: Tensor) -> Tensor:
        """From what leaves the recurrent layers to what enters the output layer: (…, H) → (…, F)."""
        for index in range(self.recurrent, len(self.layers)):
            hidden = self._leave(index, self.layers[index](hidden), hidden)  # (…, units)
        return self._drop(hidden, self.settings.dropout_output)
