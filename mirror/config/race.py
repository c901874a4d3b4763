"""The settings of one race."""

from mirror.config.kinds import Albums, Days, Flag, Race, Variants
from mirror.config.section import Section
from mirror.race_ref import RaceRef


class RaceSettings(Section):
    """One race to archive."""

    race: Race
    days: Days = "all"
    variants: Variants | None = None
    participant_uploads: Flag = True
    albums: Albums = ()

    def resolved(self, variants: tuple[str, ...]) -> "RaceSettings":
        """Settle what is left open: variants, and the race day that the race's address may name.

        ``days``, where it is given, wins over the address.
        """
        days = self.days
        if "days" not in self.model_fields_set and self.race.race_day_id:
            days = (self.race.race_day_id,)
        race = RaceRef(race_id=self.race.race_id, slug=self.race.slug)
        return self.model_copy(update={"race": race, "days": days, "variants": self.variants or variants})
