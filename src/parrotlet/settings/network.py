"""The settings of a network, and which of them cannot go together."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from parrotlet.settings.section import Section

LabelCount = Annotated[int, Field(ge=1, le=10_000)]


class LayerSettings(Section):
    """One layer of a stack whose layers differ; what Keras calls LSTM, GRU, SimpleRNN, Bidirectional and Dense."""

    kind: Literal["rnn", "lstm", "gru", "dense"] = Field(description="the cell, or a dense layer")
    units: int = Field(ge=1, le=8192, description="units of the layer, in each direction")
    bidirectional: bool = Field(False, description="a second cell reads the window backwards, side by side")
    final: bool = Field(False, description="only the state after the whole window leaves it, of each direction")
    activation: Literal["tanh", "relu", "sigmoid", "linear"] = Field("tanh", description="of the new values")
    gate: Literal["sigmoid", "hard-sigmoid", "hard-sigmoid-keras2"] = Field("sigmoid", description="of the gates")
    reset_after: bool = Field(True, description="gru: the reset gate scales the product, not the state before it")


class NetworkSettings(Section):
    """The network: its kind, its sizes and its dropout."""

    kind: Literal["rnn", "lstm", "gru", "convolution", "stack"] = Field("lstm", description="the cell of its layers")
    hidden: int = Field(384, ge=1, le=8192, description="units per layer")
    layers: int = Field(1, ge=1, le=32, description="stacked layers")
    input: Literal["learned", "one-hot", "number"] = Field("learned", description="how an id enters the network")
    embedding: int = Field(64, ge=1, le=8192, description="size of the learned embedding")
    dropout_input: float = Field(0.0, ge=0, lt=1, description="share dropped after the embedding")
    dropout_between: float = Field(0.0, ge=0, lt=1, description="share dropped between layers")
    dropout_output: float = Field(0.0, ge=0, lt=1, description="share dropped after the last layer")
    dropout_each_step: bool = Field(
        False, description="drop others at each step, as Keras does, not the same in a window"
    )
    tied: bool = Field(False, description="the output layer shares the embedding's weights")
    layer_norm: bool = Field(False, description="normalise what enters each layer after the first, and the output")
    residual: bool = Field(False, description="add each layer's input to its output, after the first layer")
    context: int | None = Field(
        None, ge=1, le=4096, description="read only the last so many ids, anew for each prediction; none: carry a state"
    )
    padded: bool = Field(False, description="fill a context that is not full with a learned symbol; else it is shorter")
    bidirectional: bool = Field(False, description="each layer also reads the context backwards")
    attention: bool = Field(False, description="predict from a weighted average of embedding and all layers over time")
    kernel: int = Field(2, ge=2, le=16, description="convolution: how many steps each layer looks at")
    label_counts: tuple[LabelCount, ...] = Field(
        (), max_length=32, description="how many labels each column has that texts are told apart by; training counts"
    )
    stack: tuple[LayerSettings, ...] = Field((), max_length=32, description="kind stack: the layers, first to last")

    @model_validator(mode="before")
    @classmethod
    def _tied_sizes(cls, data: Any) -> Any:
        """A tied embedding has the size of the hidden layer."""
        if not isinstance(data, dict) or not data.get("tied"):
            return data
        if data.get("input", "learned") != "learned":
            raise ValueError(f"tied needs input = 'learned', not {data['input']!r}")
        hidden = data.get("hidden", cls.model_fields["hidden"].default)
        if data.get("embedding", hidden) != hidden:
            raise ValueError(f"tied needs embedding = hidden, not {data['embedding']} and {hidden}")
        return {**data, "embedding": hidden}

    @model_validator(mode="after")
    def _fits_together(self) -> "NetworkSettings":
        wrong = self._contradiction()
        if wrong:
            raise ValueError(wrong)
        return self

    def in_words(self) -> str:
        """``lstm of 2 × 256 units``, with what is unusual about it."""
        words = f"{self.kind} of {f'{self.layers} × ' if self.layers > 1 else ''}{self.hidden} units"
        if self.kind == "stack":
            words = " → ".join(
                f"{'bidirectional ' * each.bidirectional}{each.kind} {each.units}" for each in self.stack
            )
        extras = {
            "bidirectional": self.bidirectional,
            "attention": self.attention,
            f"context {self.context}": self.context is not None,
            f"{self.input} input": self.input != "learned",
        }
        return ", ".join([words, *(name for name, there in extras.items() if there)])

    def _contradiction(self) -> str | None:
        """The first pair of settings that cannot go together, in one line."""
        windowed = {"padded": self.padded, "bidirectional": self.bidirectional, "attention": self.attention}
        given = [name for name, value in windowed.items() if value]
        changed = [name for name in ("tied", "layer_norm", "residual") if getattr(self, name)]
        if given and self.context is None:
            return f"{given[0]} needs a context, such as context = 40"
        if given and self.kind == "convolution":
            return f"{given[0]} does not go with kind = 'convolution'"
        if self.kind == "convolution" and self.context is not None:
            return "context does not go with kind = 'convolution', whose layers and kernel decide how far it looks"
        if self.padded and self.tied:
            return "tied does not go with padded, whose embedding has one row more"
        if (self.padded or self.attention) and self.input != "learned":
            return f"{'padded' if self.padded else 'attention'} needs input = 'learned', not {self.input!r}"
        if changed and (self.bidirectional or self.attention or self.kind == "stack"):
            other = "kind = 'stack'" if self.kind == "stack" else "attention" if self.attention else "bidirectional"
            return f"{changed[0]} does not go with {other}"
        if self.label_counts and (self.tied or self.input != "learned"):
            return f"labels do not go with {'tied' if self.tied else f'input = {self.input!r}'}"
        if self.kind == "stack" and not self.stack:
            return "kind = 'stack' needs its layers: stack = [{kind = 'lstm', units = 128}, …]"
        if self.stack and self.kind != "stack":
            return f"stack lists the layers of kind = 'stack', not of {self.kind!r}"
        return self._contradiction_in_stack()

    def _contradiction_in_stack(self) -> str | None:
        if self.kind != "stack":
            return None
        if self.attention or self.bidirectional:
            return f"{'attention' if self.attention else 'bidirectional'} does not go with kind = 'stack'"
        recurrent = [layer for layer in self.stack if layer.kind != "dense"]
        if not recurrent or any(layer.kind == "dense" for layer in self.stack[: len(recurrent)]):
            return "stack needs recurrent layers first, dense layers after them"
        if any(layer.bidirectional for layer in self.stack[len(recurrent) :]):
            return "a dense layer has no direction: bidirectional does not go with it"
        if any(layer.final for layer in (*recurrent[:-1], *self.stack[len(recurrent) :])):
            return "only the last recurrent layer of a stack may be final"
        if any(layer.bidirectional for layer in self.stack) and self.context is None:
            return "a bidirectional layer needs a context, such as context = 40"
        return None
