"""What all sections of the settings share."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

NO_SECRET = SecretStr("")


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield each setting that does not go with another, and why."""
        yield from ()

    @model_validator(mode="after")
    def _check(self) -> "Section":
        if faults := list(self.contradictions()):
            raise PydanticCustomError("contradiction", "settings contradict each other", {"faults": faults})
        return self
