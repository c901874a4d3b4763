"""The API of the benchmarks: the demo's service, with a race of any size whose pictures lie elsewhere.

``python -m benchmarks.api PHOTOS ORIGIN KIND`` prints its address and serves until its input ends.
"""

import asyncio
import sys
from typing import Any

from mirror.demo import DemoService
from mirror.demo.race import GeneratedRace

FOLDERS = {"original": "customOriginal_v3", "large": "large_watermarked_v3", "thumbnail": "thumbs_v2"}
RACE_ID, DAY_ID = 48211, 34168
SECRET = DemoService().api_secret


class BenchmarkRace(GeneratedRace):
    """Photos in three variants, with addresses as the photo host of the benchmarks knows them.

    Args:
        is_tiny: Every variant is the same picture of 1 kB: for races so large that disks would be measured.
    """

    def __init__(self, *, photos: int, is_tiny: bool = False) -> None:
        super().__init__(photos=photos, race_id=RACE_ID)
        self.is_tiny = is_tiny

    def _made_up(self, number: int, origin: str) -> dict[str, Any]:
        return super()._made_up(number, origin) | {
            variant: {"image_url": address(origin, variant, number, is_tiny=self.is_tiny), "height": 200, "width": 300}
            for variant in FOLDERS
        }


def address(origin: str, variant: str, number: int, *, is_tiny: bool = False) -> str:
    """Say where a picture is found; the last two digits choose one of the stored ones."""
    return f"{origin}/{'tiny' if is_tiny else FOLDERS[variant]}/{number:07d}.jpg"


async def serve(photos: int, origin: str, *, is_tiny: bool) -> None:
    """Serve until nobody holds the other end of the input any more."""
    service = DemoService(BenchmarkRace(photos=photos, is_tiny=is_tiny))
    service.keeps_log = False
    async with service:
        service.image_origin = origin
        print(service.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], is_tiny=sys.argv[3] == "tiny"))
