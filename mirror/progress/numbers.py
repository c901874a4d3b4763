"""Numbers as people read them."""


def size_text(size_bytes: float) -> str:
    """Write a size for people: ``1.9 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < (1000 if unit == "B" else 999.5):
            return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 99.95 else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def time_text(seconds: float) -> str:
    """Write a duration for people: ``41 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 days``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"


def clock_text(seconds: float) -> str:
    """Write a duration as on a clock, so that it does not change its width: ``0:41``, ``1:02:05``."""
    whole = round(seconds)
    if whole >= 100 * 3600:
        return time_text(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def count_text(count: int, thing: str) -> str:
    """Write a count with its noun: ``1 photo``, ``2,040 photos``."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
