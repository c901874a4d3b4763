"""The demo's races: one drawn, which can change between two runs, and one generated on the fly for scale."""

import random
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mirror.demo.drawing import SIZES, draw_scene, render, tiny_picture, with_comment

_BUCKETS = ("demo-photos-a", "demo-photos-b")
_PREFIXES = {"original": "customOriginal_v3", "large": "large_watermarked_v3", "thumbnail": "thumbs_v2"}
_ODD_NAMES = ("../../finish line.jpg", "CON.jpg", "IMG_0001.JPG", "Zieleinlauf Ä.jpg", "", "🏃 km 5.png", "a/b\\c.jpg")
_PICTURES_KEPT = 48


@dataclass(slots=True, kw_only=True)
class DemoPhoto:
    """One photo of the demo; every field may be changed while the service runs."""

    photo_id: int
    race_day_id: int
    album_id: int | str
    bibs: list[Any]
    uploaded_filename: str | None
    uploaded_ts: int
    name: str
    """The part of its URLs that all its variants share."""
    version: int = 0
    rotation: int = 1
    is_png: bool = False
    offered: tuple[str, ...] = ("original", "large", "thumbnail")
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields that replace or add to those of its record."""


class DemoRace:
    """A race with two race days, three albums and the participants' own, some 300 photos, deterministic by its seed."""

    name = "Harbour 10K"
    slug = "NJ/Camden/Harbour10K"

    def __init__(self, *, photos: int = 300, seed: int = 7, race_id: int = 48211) -> None:
        self.race_id = race_id
        self.days = {29930: "5/18/2025", 34168: "5/17/2026"}
        self.rng = random.Random(seed)
        self.photos: dict[int, DemoPhoto] = {}
        self.album_names: dict[int | str, tuple[int, str]] = {
            305: (29930, "Start and finish"), 311: (34168, "Course"), 312: (34168, "Finish line"),
            "reg-34168": (34168, "All Participant Uploads"),
        }  # fmt: skip
        self.album_stamps = {305: 1_747_600_000, 311: 1_779_050_000, 312: 1_779_050_000}
        self._next_id = 900_101
        self._newest_ts = {29930: 1_747_580_000, 34168: 1_779_030_000}
        self._pictures: OrderedDict[tuple[object, ...], dict[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._worn: dict[int, list[Any]] = {}
        for number in range(photos):
            day = 29930 if number < photos * 3 // 10 else 34168
            choices: tuple[int | str, ...] = (305,) if day == 29930 else (311, 311, 312, 312, 312, "reg-34168")
            self.add(day, self.rng.choice(choices), number)

    def add(self, race_day_id: int, album_id: int | str, number: int) -> DemoPhoto:
        """Upload one more photo; every so often an odd one."""
        rng = self.rng
        self._newest_ts[race_day_id] += rng.randrange(1, 90)
        bibs: list[Any] = [rng.randrange(1000, 1400) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))]
        photo = DemoPhoto(
            photo_id=self._next_id, race_day_id=race_day_id, album_id=album_id,
            bibs=[str(bib) for bib in bibs] if number % 11 == 0 else bibs,
            uploaded_filename=_ODD_NAMES[number // 17 % 7] if number % 17 == 0 else f"DSC_{1000 + number:04d}.JPG",
            uploaded_ts=self._newest_ts[race_day_id],
            name=f"race_{self.race_id}_{race_day_id}_{uuid.UUID(int=rng.getrandbits(128), version=4)}",
            rotation=6 if number % 13 == 0 else 1,
            is_png=number % 29 == 0,
            offered=("large", "thumbnail") if number % 37 == 5 else ("original", "large", "thumbnail"),
        )  # fmt: skip
        self._next_id += 1
        self.photos[photo.photo_id] = photo
        if album_id in self.album_stamps:
            self.album_stamps[album_id] += 60
        return photo

    # -- what happens between two runs --------------------------------------------------------------------------

    def gain_uploads(self, count: int = 25) -> list[DemoPhoto]:
        """Upload more photos to the latest race day."""
        return [self.add(34168, self.rng.choice((311, 312)), 2000 + number) for number in range(count)]

    def correct_bibs(self, count: int = 6) -> list[DemoPhoto]:
        """Correct misread bibs, as people do in the days after a race."""
        tagged = [photo for photo in self.photos.values() if photo.bibs]
        changed = self.rng.sample(tagged, min(count, len(tagged)))
        for number, photo in enumerate(changed):
            photo.bibs = photo.bibs[1:] if number % 3 == 2 and len(photo.bibs) > 1 else [1400 + number, *photo.bibs[1:]]
        return changed

    def remove(self, photo_id: int) -> None:
        """Take a photo down."""
        del self.photos[photo_id]

    def render_again(self, photo_id: int) -> None:
        """Make new bytes under the same URLs."""
        self.photos[photo_id].version += 1

    # -- what the API and the photo host show -------------------------------------------------------------------

    def count(self, race_day_id: int, *, album_id: str | None, since_ts: int | None, participants: bool) -> int:
        """How many photos a listing holds."""
        return len(self._listed(race_day_id, album_id, since_ts, participants))

    def _listed(
        self, race_day_id: int, album_id: str | None, since_ts: int | None, participants: bool
    ) -> list[DemoPhoto]:
        return [
            photo
            for photo in self.photos.values()
            if photo.race_day_id == race_day_id
            and (album_id is None or str(photo.album_id) == album_id)
            and (since_ts is None or photo.uploaded_ts >= since_ts)
            and (participants or not str(photo.album_id).startswith("reg-"))
        ]

    def rows(
        self, race_day_id: int, start: int, count: int, origin: str,
        *, album_id: str | None, since_ts: int | None, participants: bool,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Records of one page."""
        photos = self._listed(race_day_id, album_id, since_ts, participants)
        return [self.record(photo, origin) for photo in photos[start : start + count]]

    def record(self, photo: DemoPhoto, origin: str) -> dict[str, Any]:
        """One record, with the odd types that occur."""
        odd = photo.photo_id % 19 == 0
        record: dict[str, Any] = {
            "photo_id": str(photo.photo_id) if odd else photo.photo_id,
            "album_id": photo.album_id,
            "race_event_days_id": str(photo.race_day_id) if odd else photo.race_day_id,
            "bibs": photo.bibs or (None if photo.photo_id % 7 == 0 else []),
        }
        for variant, prefix in _PREFIXES.items():
            bucket = _BUCKETS[variant == "large"]
            width, height = SIZES[variant]
            record[variant] = {
                "image_url": f"{origin}/{bucket}/{prefix}/{photo.name}.jpg", "height": height, "width": width,
            } if variant in photo.offered else None  # fmt: skip
        record |= {"uploaded_filename": photo.uploaded_filename, "uploaded_ts": photo.uploaded_ts, "is_featured": "F"}
        return record | photo.extra

    def albums(self, race_day_id: int) -> Iterator[dict[str, Any]]:
        """The album list of a race day."""
        for album_id, (day, name) in self.album_names.items():
            if day != race_day_id:
                continue
            album = {
                "album_id": album_id, "race_event_days_id": day, "album_name": name,
                "album_url": f"http://runsignup.com//Race/Photos/{name.replace(' ', '')}/{self.slug}",
                "num_photos": self.count(day, album_id=str(album_id), since_ts=None, participants=True),
            }  # fmt: skip
            if album_id in self.album_stamps:
                album["last_modified_ts"] = self.album_stamps[album_id]
            yield album

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address of the photo host; None if there are none. Draws; call it off the event loop."""
        prefix, _, file = path.strip("/").partition("/")[2].partition("/")
        variant = next((name for name, each in _PREFIXES.items() if each == prefix), None)
        name = file.removesuffix(".jpg")
        photo = next((each for each in self.photos.values() if each.name == name), None)
        if photo is None or variant not in photo.offered:
            return None
        key = (photo.photo_id, photo.version)
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = self._draw(photo)
                if len(self._pictures) > _PICTURES_KEPT:
                    self._pictures.popitem(last=False)
            self._pictures.move_to_end(key)
            return self._pictures[key][variant]

    def _draw(self, photo: DemoPhoto) -> dict[str, bytes]:
        # The bibs that were worn, not those that were read: a corrected tag changes no picture.
        worn = random.Random(photo.photo_id)
        bibs = tuple(str(1000 + worn.randrange(400)) for _ in range(1 + photo.photo_id % 3))
        if photo.version == 0 and photo.bibs:
            bibs = tuple(str(bib) for bib in self._worn.setdefault(photo.photo_id, list(photo.bibs)))
        clock = photo.uploaded_ts % 10_800
        taken_at = (
            f"{self.days[photo.race_day_id][-4:]}:05:17 {8 + clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        )
        scene = draw_scene(photo.photo_id, bibs, label=f"photo {photo.photo_id}", version=photo.version)
        return render(scene, taken_at=taken_at, rotation=photo.rotation, is_png=photo.is_png)


class GeneratedRace(DemoRace):
    """Any number of photos, made up as they are asked for: thumbnails only, each with bytes of its own."""

    def __init__(self, *, photos: int, race_id: int = 48211) -> None:
        super().__init__(photos=0, race_id=race_id)
        self.size = photos
        self.days = {34168: "5/17/2026"}
        self.album_names = {311: (34168, "Course")}

    def _first(self, since_ts: int | None) -> int:
        return 0 if since_ts is None else max(0, min(self.size, since_ts - 1_779_000_000))

    def count(self, race_day_id: int, *, album_id: str | None, since_ts: int | None, participants: bool) -> int:
        """How many photos a listing holds."""
        return self.size - self._first(since_ts) if race_day_id in self.days else 0

    def rows(
        self, race_day_id: int, start: int, count: int, origin: str,
        *, album_id: str | None, since_ts: int | None, participants: bool,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Records of one page."""
        first = self._first(since_ts) + start
        return [self._made_up(number, origin) for number in range(first, min(self.size, first + count))]

    def _made_up(self, number: int, origin: str) -> dict[str, Any]:
        return {
            "photo_id": 1_000_000 + number, "album_id": 311, "race_event_days_id": 34168, "bibs": [1000 + number % 4000],
            "original": None, "large": None, "uploaded_filename": f"IMG_{number:06d}.JPG",
            "thumbnail": {"image_url": f"{origin}/demo-photos-a/thumbs_v2/{number}.jpg", "height": 40, "width": 60},
            "uploaded_ts": 1_779_000_000 + number,
        }  # fmt: skip

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address of the photo host."""
        number = path.rpartition("/")[2].removesuffix(".jpg")
        return with_comment(tiny_picture(), f"photo {number}") if number.isdigit() and int(number) < self.size else None
