"""Pictures really drawn: runners with legible bibs on a course, so that a person sees whose photo it is."""

import io
import random
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZES = {"original": (1600, 1067), "large": (900, 600), "thumbnail": (300, 200)}
_SKIES = [((250, 214, 165), (255, 241, 214)), ((120, 178, 232), (214, 234, 250)), ((150, 160, 178), (222, 226, 232))]
_SHIRTS = [(214, 64, 69), (46, 111, 187), (52, 140, 92), (240, 160, 40), (122, 72, 160), (30, 140, 150)]
_SKINS = [(246, 213, 184), (224, 172, 128), (176, 120, 80), (110, 72, 48)]
_W, _H = SIZES["large"]


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=6)
def _course(sky: int, side: int) -> Image.Image:
    """Sky, hills, trees and road: the part that many photos share."""
    top, bottom = _SKIES[sky]
    gradient = Image.linear_gradient("L").resize((_W, 380))
    picture = Image.new("RGB", (_W, _H), (110, 150, 90))
    picture.paste(Image.composite(Image.new("RGB", (_W, 380), bottom), Image.new("RGB", (_W, 380), top), gradient))
    draw = ImageDraw.Draw(picture)
    rng = random.Random(sky * 7 + side)
    draw.ellipse((560 - 420 * side, 60, 640 - 420 * side, 140), fill=(255, 246, 214))
    for x in range(-100, _W, 170):
        draw.ellipse((x, 270 + rng.randrange(40), x + 330, 520), fill=(96 + rng.randrange(20), 140, 96))
    for x in range(0, _W, 60):
        high = 40 + rng.randrange(50)
        draw.rectangle((x + 22, 330, x + 28, 372), fill=(96, 72, 52))
        draw.ellipse((x, 340 - high, x + 50, 352), fill=(52 + rng.randrange(25), 104 + rng.randrange(24), 62))
    draw.polygon([(0, 600), (900, 600), (620, 360), (280, 360)], fill=(98, 100, 106))
    for step in range(6):
        y = 370 + step * step * 7
        draw.rectangle((447 - step, y, 453 + step, y + 10 + step * 4), fill=(236, 236, 230))
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def _runner(draw: ImageDraw.ImageDraw, x: int, y: int, tall: float, bib: str, rng: random.Random) -> None:
    """One runner, feet at (x, y), with the bib on the chest."""
    skin, shirt = rng.choice(_SKINS), rng.choice(_SHIRTS)
    swing = rng.choice((-1, 1)) * 0.12 * tall
    limb = max(6, int(tall * 0.055))

    def at(right: float, up: float) -> tuple[float, float]:
        return x + right * tall, y - up * tall

    draw.ellipse((x - 0.25 * tall, y - 0.03 * tall, x + 0.25 * tall, y + 0.03 * tall), fill=(78, 80, 84))
    for side in (-1, 1):
        knee = (x + side * swing + side * 0.05 * tall, y - 0.25 * tall)
        foot = (x + side * swing * 0.4 + side * 0.07 * tall, y - (0.02 if side * swing > 0 else 0.12) * tall)
        draw.line([at(side * 0.06, 0.46), knee, foot], fill=skin, width=limb, joint="curve")
        draw.line([foot, (foot[0] + 0.07 * tall, foot[1])], fill=(245, 245, 245), width=limb)
        elbow = (x + side * 0.2 * tall, y - 0.58 * tall)
        hand = (x + side * 0.12 * tall + swing * side, y - 0.52 * tall - 0.1 * tall * (side * swing > 0))
        draw.line([at(side * 0.13, 0.78), elbow, hand], fill=skin, width=limb, joint="curve")
    draw.polygon([at(-0.12, 0.5), at(0.12, 0.5), at(0.1, 0.38), at(-0.1, 0.38)], fill=(38, 42, 54))
    draw.polygon([at(-0.15, 0.82), at(0.15, 0.82), at(0.12, 0.48), at(-0.12, 0.48)], fill=shirt)
    draw.ellipse((*at(-0.075, 1.0), *at(0.075, 0.84)), fill=skin)
    draw.pieslice(
        (*at(-0.085, 1.02), *at(0.085, 0.86)), 180, 360, fill=rng.choice(((60, 40, 30), (30, 30, 34), (200, 160, 90)))
    )
    draw.rectangle((*at(-0.135, 0.74), *at(0.135, 0.56)), fill=(252, 252, 250), outline=(60, 60, 60), width=2)
    size = int(0.115 * tall * min(1.0, 4.2 / max(1, len(bib))))
    draw.text(at(0, 0.65), bib, font=_font(max(9, size)), fill=(20, 24, 32), anchor="mm")


def draw_scene(seed: int, bibs: tuple[str, ...], *, label: str, version: int = 0) -> Image.Image:
    """Draw one photo at the size of the large variant; the same arguments give the same pixels."""
    rng = random.Random(seed)
    picture = _course(rng.randrange(3), rng.randrange(2)).copy()
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((18, 300, 96, 344), 6, fill=(34, 98, 58))
    draw.text((57, 322), f"km {seed % 10 + 1}", font=_font(20), fill="white", anchor="mm")
    count = max(1, len(bibs))
    for number in range(count):
        tall = 400 - 60 * (number % 2) - 25 * min(count, 3)
        x = int(_W * (number + 1) / (count + 1)) + rng.randrange(-30, 31)
        _runner(draw, x, 560 - 40 * (number % 2), tall, bibs[number] if bibs else "", rng)
    if version:
        draw.text((450, 40), f"re-rendered {version}", font=_font(22), fill=(160, 30, 30), anchor="mm")
    draw.text((_W - 12, _H - 12), label, font=_font(15), fill=(230, 232, 236), anchor="rs")
    return picture


def render(scene: Image.Image, *, taken_at: str, rotation: int = 1, is_png: bool = False) -> dict[str, bytes]:
    """Make the three renditions of a scene: original with EXIF, large with an overlay, thumbnail.

    Args:
        taken_at: ``YYYY:MM:DD HH:MM:SS``.
        rotation: EXIF orientation; the pixels are turned accordingly.
        is_png: Whether the original is a PNG in disguise.
    """
    out: dict[str, bytes] = {}
    exif = Image.Exif()
    exif[0x0112] = rotation
    exif.get_ifd(0x8769)[0x9003] = taken_at
    original = scene.resize(SIZES["original"], Image.Resampling.BILINEAR)
    if rotation == 6:
        original = original.transpose(Image.Transpose.ROTATE_90)
    large = scene.copy()
    ImageDraw.Draw(large).text((14, 14), "Harbour 10K", font=_font(26), fill=(255, 255, 255))
    thumbnail = scene.resize(SIZES["thumbnail"], Image.Resampling.BILINEAR)
    for name, picture in (("original", original), ("large", large), ("thumbnail", thumbnail)):
        buffer = io.BytesIO()
        if name == "original" and is_png:
            picture.quantize(64).save(buffer, "PNG")
        elif name == "original":
            picture.save(buffer, "JPEG", quality=82, exif=exif)
        else:
            picture.save(buffer, "JPEG", quality=80, progressive=name == "large")
        out[name] = buffer.getvalue()
    return out


@lru_cache(maxsize=1)
def tiny_picture() -> bytes:
    """One small JPEG, drawn once: the base of generated races."""
    buffer = io.BytesIO()
    draw_scene(1, ("1",), label="").resize((60, 40)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def with_comment(jpeg: bytes, text: str) -> bytes:
    """Splice a comment into a JPEG, so that each photo has bytes of its own."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
