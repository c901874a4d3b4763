"""What proves to the API who calls. Secrets never show up in a repr."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """One family of credentials, and the caller registration beside it; without any, calls go out bare.

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
        return f"Credentials({self.family}{', registered' if self.registration_id else ''})"

    @property
    def family(self) -> str:
        """Say in words which kind of credentials these are: ``"API key"``, ..., ``"none"``."""
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
        """Leave out all but the caller registration: with a key, the race search shows the account's own races only."""
        return replace(self, key="", secret="", legacy_key="", legacy_secret="", token="")

    def secrets(self) -> tuple[str, ...]:
        """List everything that must never be shown, as it is and as it stands in a URL; longest first."""
        values = {getattr(self, field.name) for field in fields(self)} - {""}
        spelt = {spell(value) for value in values for spell in (str, quote_plus, lambda text: quote(text, safe=""))}
        return tuple(sorted(spelt, key=lambda text: (-len(text), text)))
