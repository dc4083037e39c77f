"""Switching skills off and on, whatever their files say.

The switch belongs to the id. It stays when the file is edited, imported again, or gone for a
moment; whichever file has the id, it is off. So the skill of an overridden file does not come up in
place of the one that was switched off: who turns off ``pdf`` means every ``pdf``. A file that
changes its name carries the switch to its new id as well, and whatever comes under the old one is
off like before. Deleting a skill by its id forgets the switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.checks import check_several
from openviking.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openviking.skills.catalog import Catalog
    from openviking.skills.overrides import Overrides
    from openviking.skills.writer import SkillWriter


@dataclass(frozen=True, slots=True)
class Switched:
    """What holds for an id now.

    Attributes:
        id: of the skill.
        is_disabled: whether it is switched off.
        is_searched: whether searches can return it.
        message: the same for people, and what else they would want to know.
    """

    id: str
    is_disabled: bool
    is_searched: bool
    message: str


class Switches:
    """Switches skills of a catalog off and on; safe from any thread.

    Args:
        writer: keeps the switches.
        catalog: the skills that are known.
        overrides: files that wait behind other files.
    """

    def __init__(self, writer: SkillWriter, catalog: Catalog, overrides: Overrides) -> None:
        self._writer = writer
        self._catalog = catalog
        self._overrides = overrides

    def turn(self, ids: Iterable[str], *, is_disabled: bool) -> tuple[Switched, ...]:
        """Switch all of *ids* off or on, or none of them if one is unknown.

        Raises:
            InputError: *ids* is a single text.
            NotFoundError: an id has no skill; one that is switched off may be switched on all the
                same.
        """
        check_several(ids, "ids")
        wanted = tuple(dict.fromkeys(ids))
        entries = self._catalog.snapshot.entries
        for skill_id in wanted:
            if skill_id not in entries and (is_disabled or not self._writer.is_disabled(skill_id)):
                raise NotFoundError(f"no skill has the id {skill_id!r}")
        changed = [i for i in wanted if self._writer.is_disabled(i) != is_disabled]
        if changed:
            self._writer.switch(changed, is_disabled=is_disabled)
        return tuple(
            self._disabled(skill_id, is_news=skill_id in changed)
            if is_disabled
            else self._enabled(skill_id, is_news=skill_id in changed)
            for skill_id in wanted
        )

    def _disabled(self, skill_id: str, *, is_news: bool) -> Switched:
        message = "disabled: no search, list or count shows it"
        if not is_news:
            message = "was disabled already"
        waiting = self._overrides.of(skill_id)
        if waiting:
            message += f"; nor does {', '.join(waiting)} take its place, which has the same name"
        return Switched(skill_id, is_disabled=True, is_searched=False, message=message)

    def _enabled(self, skill_id: str, *, is_news: bool) -> Switched:
        message = "enabled" if is_news else "was enabled already"
        entry = self._catalog.snapshot.entries.get(skill_id)
        if entry is None:
            message += "; no skill has this id now, and one that gets it will be found"
        elif entry.skill.disable_model_invocation:
            source = entry.skill.path or "its record"
            message += (
                f"; but {source} itself says disable-model-invocation: it is listed, and no search "
                "returns it until that is taken out"
            )
        is_searched = entry is not None and not entry.skill.disable_model_invocation
        return Switched(skill_id, is_disabled=False, is_searched=is_searched, message=message)
