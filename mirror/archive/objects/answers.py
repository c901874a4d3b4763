"""What a store refused, in words that people know and errors of ours; pure."""

import re

from mirror.archive.disk import printable
from mirror.errors import AbsentError, ArchiveError, AwayError, ChangedError, DeniedError, OccupiedError

_STATUS = re.compile(r"status code: (\d{3})")
_STRANGE = re.compile(r'Path "([^"]{1,300})"')
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,60})</Code>")
_KINDS: dict[str, type[ArchiveError]] = {
    "FileNotFoundError": AbsentError,
    "NotFoundError": AbsentError,
    "AlreadyExistsError": OccupiedError,
    "PreconditionError": ChangedError,
    "PermissionDeniedError": DeniedError,
    "UnauthenticatedError": DeniedError,
}
_WORDS: dict[type[ArchiveError], str] = {
    AbsentError: "it is not there",
    OccupiedError: "something lies there already",
    ChangedError: "somebody else has changed it meanwhile",
    DeniedError: "the store refuses these credentials",
}
_NO_CREDENTIALS = ("/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/", "MissingCred")
"""Asked last by stores' own chains of credentials, where nothing else was found."""
_FOR_CREDENTIALS = (
    "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what your store needs "
    "(a profile in ~/.aws needs boto3 beside: pip install boto3)"
)
_REFUSED_STATUS = {401, 403}
_TRANSIENT_STATUS = {408, 409, 429}


def in_our_words(error: Exception, place: str, doing: str, key: str) -> ArchiveError:
    """Turn what a store's library raised into an error of ours.

    The library's own text names addresses and holds whole answers: of those only a status and a code are repeated.

    Args:
        doing: The verb: what was tried.
    """
    text = str(error)
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    code = found[1] if (found := _CODE.search(text)) else ""
    what = f"{place}: cannot {doing} {key}".rstrip()
    told = f" ({code or status})" if code or status else ""
    if any(each in text for each in _NO_CREDENTIALS):
        return DeniedError(f"{place}: {_FOR_CREDENTIALS}")
    if code == "NoSuchBucket" or "ContainerNotFound" in text:
        return ArchiveError(f"{place}: there is no bucket of that name at this store, or in this region")
    if "configured region" in text or code in {"PermanentRedirect", "AuthorizationHeaderMalformed"}:
        return ArchiveError(f"{place}: the bucket lies in another region: set AWS_REGION to it")
    if type(error).__name__ == "InvalidPathError":
        name = found[1] if (found := _STRANGE.search(text)) else "one"
        return ArchiveError(
            f"{what}: no name of an object that can be listed: {printable(name)} (empty, '.' or '..' between slashes); "
            "rename or delete it with the tool that made it"
        )
    kind = _KINDS.get(type(error).__name__)
    if status in _REFUSED_STATUS:
        kind = DeniedError
    if kind is not None:
        return kind(f"{what}: {_WORDS[kind]}{told}")
    if isinstance(error, NotImplementedError):
        return ArchiveError(f"{what}: this kind of store cannot do that")
    if status and status < 500 and status not in _TRANSIENT_STATUS:
        return ArchiveError(f"{what}: the store refused{told}")
    if "not allowed" in text or isinstance(error, ValueError):
        return ArchiveError(f"{what}: {_first_line(text)}")
    return AwayError(f"{what}: the store {'has trouble' if status else 'does not answer'}{told}")


def _first_line(text: str) -> str:
    """The first words of a message that no answer of a store stands in."""
    return printable(text.partition("\n")[0][:200])
