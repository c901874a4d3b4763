"""When a host that fails everything is left alone, and when it is asked no more. Pure: the clock is an argument."""

_SILENT = 10
"""A request without any answer weighs as much as so many that were answered badly."""
_HEAVY = 100
"""From this weight on, without one good answer in between, the host is left alone for a while."""
_LONGEST_PAUSE_S = 30.0
_STRANGER_PATIENCE_S = 60.0
"""A host that never gave anything in this run gets less patience."""
_MOST_DENIALS = 1000
_MOST_USELESS = 500


class Breaker:
    """Watches for a host that fails everything.

    Bad answers among good ones are the pictures' own failures. When nothing else comes any more, the host itself is
    in trouble, or the line to it: it is then left alone, for a second first and ever longer, and tried with one request
    at a time. The first good answer ends that; when patience does, the host is *tripped*. So a line that is gone for
    some minutes costs a dozen requests, and a host that is gone for good does not cost all of them their tries.

    Args:
        patience_s: How long a host may fail everything.
    """

    def __init__(self, *, patience_s: float = 300.0) -> None:
        self.why_tripped = ""
        """Why the host is asked no more; empty while it is."""
        self._patience_s = patience_s
        self._has_given = False
        self._weight = 0
        self._since: float | None = None
        self._pause_s = 0.0
        # Requests in flight that were sent before the pause: they say nothing new.
        self._old = 0
        self._denials = 0
        self._useless = 0

    @property
    def is_on_trial(self) -> bool:
        """Whether the host gets one request at a time, to see whether it is back."""
        return self._pause_s > 0

    def ended(self) -> bool:
        """Note that a request ended, however; says whether it was sent before the host was left alone."""
        is_old = self._old > 0
        self._old -= is_old
        return is_old

    def gave(self) -> None:
        """Note an answer to its end: all is well."""
        self._has_given = True
        self._denials = self._weight = 0
        self._since = None
        self._pause_s = 0.0

    def denied(self, why: str) -> None:
        """Note an answer that refuses one picture: the host works, but when it refuses all of them it is of no use."""
        self._weight = 0
        self._since = None
        self._pause_s = 0.0
        self._denials += not self._has_given
        if self._denials >= _MOST_DENIALS:
            self.why_tripped = f"refused {_MOST_DENIALS:,} requests and granted none (the last: {why})"

    def failed(self, now: float, *, is_answered: bool, is_old: bool, is_final: bool, in_flight: int, why: str) -> float:
        """Note a failure that may be the host's or the line's.

        Args:
            is_old: What `ended` said of this request.
            is_final: Whether it is of a kind that time does not mend, such as a certificate that is not valid.
            in_flight: Requests still under way.
        Returns:
            Seconds for which the host is to be left alone; 0 if it is not.
        """
        if self._since is None:
            self._since = now
        self._weight += 1 if is_answered else _SILENT
        if self._weight < _HEAVY or is_old:
            return 0.0
        patience_s = self._patience_s if self._has_given else min(self._patience_s, _STRANGER_PATIENCE_S)
        if is_final and not self._has_given:
            self.why_tripped = f"failed every request (the last: {why})"
            return 0.0
        if now - self._since >= patience_s:
            self.why_tripped = f"failed every request for {now - self._since:.0f} s (the last: {why})"
            return 0.0
        self._pause_s = min(2 * self._pause_s or 1.0, _LONGEST_PAUSE_S)
        self._old = in_flight
        return self._pause_s

    def judged(self, *, is_picture: bool) -> None:
        """Note what a body turned out to be: a host may answer everything, and never with a picture."""
        self._useless = 0 if is_picture else self._useless + 1
        if self._useless >= _MOST_USELESS:
            self.why_tripped = f"answered {_MOST_USELESS} requests in a row with something else than whole pictures"
