"""What all groups of settings share."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen group of settings; unknown names are refused, numbers are bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
