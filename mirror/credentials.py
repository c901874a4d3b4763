"""What proves to the API who calls. Secrets never show up in a repr."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """One family of credentials, and the caller registration beside it.

    Source: RunSignup API documentation: the v2 key with its secret in a header, the legacy pair in the query, OAuth 2
    bearer; the registration identifies the calling program and is mandatory from 2027-01-01.
    """

    key: str = ""
    secret: str = ""
    legacy_key: str = ""
    legacy_secret: str = ""
    token: str = ""
    registration_id: str = ""
    registration_secret: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.family})"

    @property
    def family(self) -> str:
        """Which kind of credentials these are, in words."""
        if self.key:
            return "API key"
        if self.legacy_key:
            return "legacy API key"
        return "OAuth token" if self.token else "none"

    @property
    def query(self) -> Mapping[str, str]:
        """What goes into the query of every API call."""
        pairs = {
            "rsu_api_key": self.key,
            "api_key": self.legacy_key,
            "api_secret": self.legacy_secret,
            "rsu_api_reg": self.registration_id,
        }
        return {name: value for name, value in pairs.items() if value}

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes into the headers of every API call."""
        pairs = {
            "X-RSU-API-SECRET": self.secret,
            "Authorization": f"Bearer {self.token}" if self.token else "",
            "X-RSU-API-REG-SECRET": self.registration_secret,
        }
        return {name: value for name, value in pairs.items() if value}

    def registration_only(self) -> "Credentials":
        """The caller registration alone: with a key, the race search shows the account's own races only."""
        return replace(self, key="", secret="", legacy_key="", legacy_secret="", token="")

    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be shown, longest first."""
        values = {self.key, self.secret, self.legacy_key, self.legacy_secret, self.token,
                  self.registration_id, self.registration_secret}  # fmt: skip
        return tuple(sorted((value for value in values if value), key=len, reverse=True))
