"""Programs that fetch files, each told to do the same work in its own words; add one by adding a function.

Ours lists, checks, hashes, flushes and records; the others get a list of addresses and only fetch.
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.api import DAY_ID, RACE_ID, SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One race to fetch.

    Args:
        origin: Of the photo host.
        urls: What there is to fetch; for programs that cannot list.
        at_once: Requests in flight; 0 leaves the program's default.
        again: Whether everything was fetched before, into the same folder.
    """

    api: str
    origin: str
    urls: list[str]
    variants: tuple[str, ...]
    out: Path
    scratch: Path
    at_once: int
    again: bool = False

    def listed(self, line: Callable[[str, str], str]) -> str:
        """Write a list with one entry for each picture, of its address and its path below the folder."""
        path = self.scratch / "list"
        entries = (line(url, url.removeprefix(f"{self.origin}/")) for url in self.urls)
        path.write_text("".join(f"{entry}\n" for entry in entries))
        return str(path)

    def if_given(self, *option: str) -> list[str]:
        """Give an option with the number of requests, where one was asked for."""
        return [each.format(self.at_once) for each in option] if self.at_once else []


def mirror(work: Work) -> list[str]:
    """Our own, as installed."""
    config = work.scratch / "mirror.toml"
    variants = ", ".join(f'"{each}"' for each in work.variants)
    config.write_text(
        f'[api]\nbase_url = "{work.api}"\nkey = "demo-key"\n[archive]\nroot = "{work.out}"\n[download]\n'
        f"variants = [{variants}]\nconcurrency = {work.at_once or chr(34) + 'auto' + chr(34)}\n"
        'allowed_hosts = ["127.0.0.1"]\nallow_http = true\nallow_private = true\n'
        f"[[races]]\nrace = {RACE_ID}\ndays = [{DAY_ID}]\n"
    )
    return ["env", f"MIRROR_API__SECRET={SECRET}", sys.executable, "-m", "mirror", "sync", "--config", str(config)]


def aria2(work: Work) -> list[str]:
    entries = work.listed(lambda url, path: f"{url}\n  out={path}")
    again = ["-c", "--auto-file-renaming=false"] if work.again else []
    return ["aria2c", "--no-conf", "-q", "-i", entries, "-d", str(work.out), *work.if_given("-j{}"), *again]


def curl(work: Work) -> list[str]:
    entries = work.listed(lambda url, path: f'url = "{url}"\noutput = "{work.out}/{path}"')
    return ["curl", "-q", "-s", "-Z", *work.if_given("--parallel-max", "{}"), "--create-dirs", "-K", entries]


def wget2(work: Work) -> list[str]:
    again = ["-N"] if work.again else []
    options = ["--no-config", "-q", "-x", "-nH", "-P", str(work.out), *work.if_given("--max-threads={}"), *again]
    return ["wget2", *options, "-i", work.listed(lambda url, _: url)]


def rclone(work: Work) -> list[str]:
    entries = work.listed(lambda _, path: path)
    options = ["--files-from-raw", entries, "--no-traverse", *([] if work.again else ["--http-no-head"])]
    options += work.if_given("--transfers", "{}", "--checkers", "{}")
    return ["rclone", "--config", "", "copy", "-q", *options, "--http-url", work.origin, ":http:", str(work.out)]


def gallery_dl(work: Work) -> list[str]:
    """One file after the other, by design."""
    again = ["--download-archive", str(work.scratch / "seen.sqlite")]
    options = ["--config-ignore", "-q", "-d", str(work.out), *again]
    return ["gallery-dl", *options, "-i", work.listed(lambda url, _: url)]


def img2dataset(work: Work) -> list[str]:
    entries = work.scratch / "urls.txt"
    entries.write_text("".join(f"{url}\n" for url in work.urls))
    options = ["--output_format", "files", "--resize_mode", "no", "--disable_all_reencoding", "True"]
    options += work.if_given("--processes_count", "1", "--thread_count", "{}")
    return ["img2dataset", "--url_list", str(entries), "--output_folder", str(work.out), *options]


def parfive(work: Work) -> list[str]:
    entries = work.listed(lambda url, path: f"{url} {path}")
    code = (
        "import parfive, pathlib, sys\n"
        "get = parfive.Downloader(max_conn=int(sys.argv[3]), progress=False)\n"
        "for line in open(sys.argv[1]):\n"
        "    url, path = line.split(); path = pathlib.Path(sys.argv[2], path)\n"
        "    get.enqueue_file(url, path=path.parent, filename=path.name)\n"
        "sys.exit(bool(get.download().errors))\n"
    )
    return [sys.executable, "-c", code, entries, str(work.out), str(work.at_once or 5)]


PEERS: dict[str, Callable[[Work], list[str]]] = {
    "mirror": mirror, "aria2": aria2, "curl": curl, "wget2": wget2, "rclone": rclone, "gallery-dl": gallery_dl,
    "img2dataset": img2dataset, "parfive": parfive,
}  # fmt: skip
_PROGRAMS = {"aria2": "aria2c"}


def installed() -> list[str]:
    """Name those that are there, ours first."""
    import importlib.util

    modules = {"parfive"}
    return [
        name
        for name in PEERS
        if name == "mirror"
        or (importlib.util.find_spec(name) if name in modules else shutil.which(_PROGRAMS.get(name, name)))
    ]
