"""What ``mirror sync --dry-run`` shows."""

from rich.table import Table
from rich.text import Text

from mirror.cli.output import console
from mirror.dryrun import Estimate
from mirror.progress import count_text, size_text

_BASES = {"stored": "by files stored before", "sample": "by a few announced lengths", "unknown": "nobody says"}


def show_estimate(estimate: Estimate) -> None:
    """Print what a sync would fetch and whether it fits."""
    out = console()
    out.print(Text("Dry run: nothing was stored.", style="bold"))
    out.print(
        f"  {count_text(estimate.photos, 'photo')} read, {estimate.new_photos:,} new; "
        f"{count_text(estimate.api_calls, 'API call')} made"
    )
    if estimate.vanished:
        out.print(f"  {count_text(estimate.vanished, 'stored file')} vanished or changed in size: fetched again")
    if not estimate.files:
        out.print("  nothing to fetch")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for each in estimate.variants:
        size = "?" if each.bytes is None else f"{size_text(each.bytes)}"
        table.add_row(f"  {each.variant}", count_text(each.files, "file"), size, Text(_BASES[each.basis], style="dim"))
    table.add_row("  all", count_text(estimate.files, "file"), size_text(estimate.bytes), style="bold")
    out.print(table)
    if estimate.has_room and estimate.free_bytes is not None:
        kept = size_text(estimate.min_free_bytes)
        out.print(f"  disk: {size_text(estimate.free_bytes)} free, of which {kept} must stay free: it fits")
    out.print("\nThe same command without --dry-run fetches them.")
