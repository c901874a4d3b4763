"""Pictures to fetch: drawn once, grained until they weigh what pictures of a race weigh."""

import io
import os
from pathlib import Path

from PIL import Image

from mirror.demo.drawing import draw_scene, tiny_picture

STORED = 100
"""Pictures of each kind that lie on disk; the photo host serves them under any number of names."""
_KINDS = {
    # folder of the photo host: width, height, JPEG quality, grain, how many are really drawn
    "thumbs_v2": (300, 200, 88, 0.10, STORED),
    "large_watermarked_v3": (900, 600, 88, 0.10, STORED),
    "customOriginal_v3": (4000, 2667, 90, 0.07, 12),
    "tiny": (0, 0, 0, 0, 1),
}


def make_corpus(folder: Path, *, stored: int = STORED) -> None:
    """Draw what is missing of so many pictures of each kind; all of them take half a minute the first time."""
    for kind, (width, height, quality, grain, drawn) in _KINDS.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(stored):
            path = folder / kind / f"{number:02d}.jpg"
            if path.exists():
                continue
            if number >= drawn:
                os.link(folder / kind / f"{number % drawn:02d}.jpg", path)
                continue
            path.write_bytes(_draw(number, width, height, quality, grain) if width else tiny_picture())


def _draw(seed: int, width: int, height: int, quality: int, grain: float) -> bytes:
    """Draw a scene with the grain of a camera: drawn areas alone would compress to nothing."""
    scene = draw_scene(seed, (str(1000 + seed),), label=f"photo {seed}").resize((width, height))
    noise = Image.effect_noise((width, height), 60).convert("RGB")
    out = io.BytesIO()
    Image.blend(scene, noise, grain * (0.8 + seed % 5 / 10)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def size_bytes(folder: Path, kind: str, count: int) -> int:
    """Say what so many pictures of a kind weigh together."""
    sizes = [(folder / kind / f"{number:02d}.jpg").stat().st_size for number in range(STORED)]
    return sum(sizes) * (count // STORED) + sum(sizes[: count % STORED])
