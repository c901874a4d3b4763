"""The arithmetic of `scale.md`: from what was measured on one machine to millions of photos on several.

    python -m benchmarks.scale          # prints the tables of scale.md

Change a figure below for your line, your service or your store, and read the tables again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MACHINES = (1, 4, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured; scale.md says by which command. CPU in core seconds."""

    folder_cpu_s: float = 11.6e-3
    """A photo in three sizes, fetched, checked, hashed, flushed and recorded in a folder."""
    bucket_cpu_s: float = 17e-3
    """The same into a bucket."""
    thumbnail_cpu_s: float = 0.57e-3
    """A thumbnail alone, into a folder."""
    verify_cpu_s_per_gb: float = 0.97
    deep_cpu_s_per_gb: float = 29.7
    plan_s: float = 63e-6
    """One new photo written down."""
    record_s: float = 71e-6
    """One file handed out, named and recorded."""
    known_page_s: float = 0.92e-3
    """One page of 100 photos that the manifest knows as they are."""
    manifest_bytes: int = 2_041
    """A photo with three files."""
    snapshot_s_per_gb: float = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What nobody measured here."""

    call_s: tuple[float, float, float] = (0.3, 1.0, 2.0)
    """A call of the API: quick, usual, slow."""
    rows: int = 100
    calls_at_once: int = 2
    link_bytes_s: float = 100e6
    """What a machine's line of 1 Gbit/s really carries, in each direction."""
    bytes_thumbnail: int = 17_000
    bytes_large: int = 143_000
    bytes_original: int = 1_900_000
    put_usd: float = 5e-6
    """List price of a bucket, a PUT, COPY or LIST request."""
    get_usd: float = 0.4e-6
    month_usd_per_gb: float = 0.023
    idle_puts: int = 13
    """Of a race of a fleet with nothing new: measured, refused ones too."""
    idle_gets: int = 8

    @property
    def photo_bytes(self) -> int:
        """All three sizes."""
        return self.bytes_thumbnail + self.bytes_large + self.bytes_original


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """So many photos."""

    name: str
    photos: int
    race_days: int


M, A = Measured(), Assumed()
ARCHIVES = (
    Archive(name="one race, 500,000 photos", photos=500_000, race_days=1),
    Archive(name="10 million photos, 2,000 race days", photos=10_000_000, race_days=2_000),
)


def api_s(archive: Archive, call_s: float) -> float:
    """Seconds for one full pass: pages, and the albums before and after."""
    return (archive.photos / A.rows + 3 * archive.race_days) * call_s / A.calls_at_once


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def span(seconds: float) -> str:
    """Write a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def first_time(archive: Archive) -> str:
    """How long the first time takes, by what limits it."""
    size = archive.photos * A.photo_bytes
    cpu = archive.photos * M.bucket_cpu_s
    rows = [
        ["API, two calls at a time, 1 s each (0.3 to 2 s)", *[_api_span(archive)] * len(MACHINES)],
        [f"line, {size / 1e12:.1f} TB", *(span(size / A.link_bytes_s / count) for count in MACHINES)],
        [f"processor, {cpu / 3600:.0f} core hours, one core a machine", *(span(cpu / count) for count in MACHINES)],
        ["manifest, one writer for all (cluster)", *[span(manifest_s(archive))] * len(MACHINES)],
    ]
    return table([archive.name, *(f"{count} machine{'s' * (count > 1)}" for count in MACHINES)], rows)


def _api_span(archive: Archive) -> str:
    quick, usual, slow = (span(api_s(archive, call_s)) for call_s in A.call_s)
    return f"{usual} ({quick} to {slow})"


def manifest_s(archive: Archive) -> float:
    """Seconds that the one writer is busy."""
    return archive.photos * (M.plan_s + 3 * M.record_s)


def keeping(archive: Archive) -> str:
    """What keeping it costs: passes, manifest, verifying, requests, money."""
    files, gb = 3 * archive.photos, archive.photos * A.photo_bytes / 1e9
    pages = archive.photos / A.rows
    size_gb = archive.photos * M.manifest_bytes / 1e9
    read = (
        f"{gb / 1000:,.1f} TB read, {span(gb * 1e9 / A.link_bytes_s)} on one line, {files / 1e6:,.1f} million GET, about "
        f"${files * A.get_usd:,.0f}; {span(gb * M.verify_cpu_s_per_gb)} of a core, decoded too (--deep) "
        f"{span(gb * M.deep_cpu_s_per_gb)}"
    )
    idle_usd = A.idle_puts * A.put_usd + A.idle_gets * A.get_usd
    idle = f"{A.idle_puts} PUT or LIST and {A.idle_gets} GET or HEAD a race, about ${archive.race_days * idle_usd:,.2f} for all"
    rows = [
        ["manifest", f"{size_gb:,.1f} GB in all, {size_gb / archive.race_days * 1000:,.0f} MB a race day"],
        ["its snapshot", f"{span(size_gb * M.snapshot_s_per_gb)} to write, {span(size_gb * 1e9 / A.link_bytes_s)} to send, all of it"],
        ["full pass", f"{pages + 3 * archive.race_days:,.0f} API calls, {_api_span(archive)}; {span(pages * M.known_page_s)} in the manifest"],
        ["since pass, nothing new", f"{2 * archive.race_days:,} API calls, {span(2 * archive.race_days * A.call_s[1] / A.calls_at_once)}"],
        ["first time, PUT requests", f"{files / 1e6:,.1f} million, about ${files * A.put_usd:,.0f}; staged by a cluster (PUT and COPY) twice that"],
        ["requests of a pass with nothing new (fleet)", idle],
        ["storage", f"{gb / 1000:,.1f} TB, about ${gb * A.month_usd_per_gb:,.0f} a month"],
        ["verify, quick", f"{files / 1000:,.0f} LIST requests, about ${files / 1000 * A.put_usd:,.2f}; or one HEAD a file, about ${files * A.get_usd:,.0f}"],
        ["verify, every byte", read],
    ]  # fmt: skip
    return table([archive.name, "costs"], rows)


def main() -> None:
    """Print every table."""
    for archive in ARCHIVES:
        print(first_time(archive))
        print(keeping(archive))


if __name__ == "__main__":
    main()
