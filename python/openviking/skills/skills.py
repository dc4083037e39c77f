"""The skills of one store: searched, read, written, imported and watched."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.background import Background as Work
from openviking.errors import NotFoundError
from openviking.index import Index
from openviking.retrieval.background import Background
from openviking.skills.bundle import bundled_files, read_bundled
from openviking.skills.catalog import Catalog
from openviking.skills.doctor import diagnose, diagnose_stored
from openviking.skills.drafts import draft_of
from openviking.skills.edits import Edits
from openviking.skills.finder import Finder
from openviking.skills.importer import Importer
from openviking.skills.overrides import Overrides
from openviking.skills.rebuild import Rebuild
from openviking.skills.scan import check_paths
from openviking.skills.switch import Switches
from openviking.skills.tiers import Tiers
from openviking.skills.views import SkillPage, SkillTree, counts_of, page_of, tree_of
from openviking.skills.watch import Watch
from openviking.skills.writer import SkillWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from openviking.skills.doctor import Diagnosis
    from openviking.skills.report import ImportReport
    from openviking.skills.search import Rankings, SkillSearch
    from openviking.skills.switch import Switched
    from openviking.store.port import Store
    from openviking.types import Progress, Skill, TextEncoder, Tier


class Skills:
    """All skills of a store, held in memory without their bodies; safe from any thread.

    Args:
        store: where skills last; not closed here.
        encoder: turns queries into vectors; not closed here.
        passage_encoder: turns passages into vectors; not closed here. None means *encoder*, which
            is a waste if that is a cache: a passage is encoded once and then lies in the store.
        open_fast: opens the encoder of the fast tier, or raises ConflictError; None for no such.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        *,
        passage_encoder: TextEncoder | None = None,
        open_fast: Callable[[], TextEncoder] | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._catalog = Catalog(Index(encoder.dim))
        self._stopping = threading.Event()
        self.background = Background(passage_encoder or encoder)
        """What a query must stand out from; other searches share it."""
        finder = Finder(store, encoder, self._catalog, self.background)
        self._tiers = Tiers(store, self._catalog, finder, open_fast)
        self._writer = SkillWriter(
            store, passage_encoder or encoder, self._catalog, self._stopping.is_set
        )
        self._overrides = Overrides(store)
        self._importer = Importer(
            self._writer, self._catalog, self._overrides, self._stopping.is_set
        )
        self._switches = Switches(self._writer, self._catalog, self._overrides)
        self._watch = Watch(self._sync, self._stopping)
        self._edits = Edits(self._writer, self._catalog, self._watch.covers)
        stale = self._writer.load()
        self._rebuild = Rebuild(store, self._writer, stale, self._stopping.is_set)
        self._rebuild.start()
        self._relating = Work("skills-related", self._relate)
        self._relating.start()

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        category: str | None = None,
        hierarchical: bool = False,
        explain: bool = False,
        tier: Tier = "full",
    ) -> SkillSearch:
        """Find the skills that fit a task, best first; none if none fits.

        Args:
            query: the task in any words; what lies beyond ``QUERY_CHARS_MAX`` is not used.
            k: skills to return at most, 1 to ``HITS_MAX``.
            category: a category, subcategory or ``category/subcategory``; None and ``general``
                mean all.
            hierarchical: let parents and sub-skills of a hit follow it.
            explain: say how the answer came about, also if it is that nothing fits.
            tier: ``fast`` answers without running the model, and less precisely.

        Raises:
            InputError: an empty query, a *k* below 1 or no such tier.
            LimitError: a *k* or a query that is too large.
            EncoderError: the model failed.
            ConflictError: the fast tier has no table; the message names the command to run.
        """
        return self._tiers.finder(tier).search(
            query, k=k, category=category, hierarchical=hierarchical, explain=explain
        )

    def rankings(self, query: str, *, k: int = 10, tier: Tier = "full") -> Rankings:
        """Return the best *k* ids by words alone, by vectors alone, and by both."""
        return self._tiers.finder(tier).rankings(query, k)

    def get(self, skill_id: str, *, include_disabled: bool = False) -> Skill:
        """Return one skill with its body; raises NotFoundError, also for one that is disabled."""
        skill = self._store.get_skill(skill_id)
        if skill.is_disabled and not include_disabled:
            raise NotFoundError(f"skill {skill_id!r} is disabled; include_disabled shows it")
        return self._complete([skill])[0]

    def files(self, skill_id: str, *, include_disabled: bool = False) -> tuple[str, ...]:
        """List the files beside a skill's SKILL.md; raises NotFoundError as :meth:`get` does."""
        path = self.get(skill_id, include_disabled=include_disabled).path
        return () if path is None else bundled_files(Path(path))

    def file(self, skill_id: str, name: str, *, include_disabled: bool = False) -> bytes:
        """Return one of the files that :meth:`files` lists.

        Raises:
            NotFoundError: there is no such skill, or it has no such file.
            LimitError: the file is too large to be given out.
        """
        path = self.get(skill_id, include_disabled=include_disabled).path
        if path is None:
            raise NotFoundError(f"the skill has no file {name!r}")
        return read_bundled(Path(path), name)

    def overrides(self, skill_id: str) -> tuple[str, ...]:
        """Return the files of other folders that are left out for the sake of a skill."""
        return self._overrides.of(skill_id)

    def all_overrides(self) -> Mapping[str, tuple[str, ...]]:
        """Return :meth:`overrides` of every id that has any."""
        return self._overrides.by_id()

    def list(
        self,
        *,
        category: str | None = None,
        limit: int = 100,
        after: str | None = None,
        include_disabled: bool = False,
    ) -> SkillPage:
        """Return skills in id order behind the id *after*; those that are disabled if asked for."""
        snapshot = self._catalog.snapshot
        found, has_more = page_of(
            snapshot, category, limit, after, include_disabled=include_disabled
        )
        return SkillPage(self._complete(found), found[-1].id if has_more else None)

    def tree(self) -> SkillTree:
        """Return all names by category and subcategory, and when anything last changed."""
        return tree_of(self._catalog.snapshot)

    def create(
        self, *, content: str | None = None, fields: Mapping[str, Any] | None = None
    ) -> Skill:
        """Store a new skill given as SKILL.md text or as fields, and return it.

        Raises:
            InputError: neither or both were given, or a value cannot be used.
            ConflictError: the id is taken.
        """
        return self._complete([self._edits.create(draft_of(content, fields))])[0]

    def replace(
        self,
        skill_id: str,
        *,
        content: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Skill:
        """Store a new version of a skill under its id, and return it.

        Raises:
            NotFoundError: there is no such skill.
            InputError: neither or both were given, or a value cannot be used.
            ConflictError: it comes from a watched file, which must be edited instead.
        """
        self._edits.require_writable(skill_id)
        draft = replace(draft_of(content, fields), id=skill_id)
        return self._complete(self._edits.write([draft]))[0]

    def put(self, skills: Sequence[Skill]) -> None:
        """Store finished records, new ones or in place of those of their ids, and encode them."""
        self._edits.write(skills)

    def delete(self, skill_id: str) -> None:
        """Delete a skill; raises NotFoundError, and ConflictError for one of a watched file."""
        self._edits.delete(skill_id)

    def disable(self, ids: Iterable[str]) -> tuple[Switched, ...]:
        """Hide skills from searches, lists, families and counts until :meth:`enable`.

        All of *ids* or none; raises NotFoundError. ``skills/switch.py`` says what outlives what.
        """
        return self._switches.turn(ids, is_disabled=True)

    def enable(self, ids: Iterable[str]) -> tuple[Switched, ...]:
        """Undo :meth:`disable`; raises NotFoundError."""
        return self._switches.turn(ids, is_disabled=False)

    def count_use(self, skill_id: str) -> int:
        """Add one to a skill's usage count and return it; raises NotFoundError."""
        return self._writer.count_use(skill_id)

    def import_paths(
        self, paths: Iterable[str | Path], progress: Progress | None = None, *, prune: bool = False
    ) -> ImportReport:
        """Bring SKILL.md files into the store; see :class:`ImportReport`.

        Args:
            paths: folders, which are searched for SKILL.md files, or single files; of skills of
                the same name in two of them, the one in the later is used.
            progress: called with (files done, files in all).
            prune: also delete skills whose file under *paths* is gone.

        Raises:
            InputError: a path does not exist, or *paths* is a single one.
            EncoderError, StoreError: the model or the store failed; what was stored stays.
        """
        roots = check_paths(paths)
        try:
            return self._importer.run(roots, progress, prune=prune)
        finally:
            self._relating.wake()

    def watch(self, folders: Sequence[str | Path]) -> None:
        """Import *folders* in the background, then follow their edits until ``close``.

        Of skills of the same name, the one in the later folder is used; if it goes, the other one
        comes back.

        Raises:
            ConflictError: folders are already being watched.
        """
        self._watch.start(folders)

    @property
    def to_import(self) -> int:
        """Files of the watched folders that the first import has yet to take."""
        return self._watch.to_import

    def warm(self) -> None:
        """Do now what the first search would otherwise wait for; some 0.1 s of encoding."""
        self.background.warm()
        self._relating.wake()

    def diagnose(
        self, paths: Iterable[str | Path] = (), progress: Progress | None = None
    ) -> Sequence[Diagnosis]:
        """Say what makes every stored skill hard to find, or files at *paths* beside them."""
        snapshot = self._catalog.snapshot
        if paths:
            return diagnose(paths, self._encoder, progress, stored=snapshot)
        return diagnose_stored(snapshot, self._store, self.all_overrides())

    def stats(self) -> dict[str, Any]:
        """Counts: skills, the hidden and disabled, passages, what is to be encoded or imported."""
        return counts_of(self._catalog.snapshot) | self._watch.stats()

    def close(self) -> None:
        """Stop watching and rebuilding; waits for the batch in work. May be called twice."""
        self._stopping.set()
        self._watch.join()
        self._rebuild.join()
        self._relating.close()

    def _sync(self, folders: Sequence[Path], progress: Progress) -> None:
        version = self._catalog.snapshot.version
        try:
            self._importer.run(folders, progress, prune=True, among=self._watch.paths)
        finally:
            if self._catalog.snapshot.version != version:
                self._relating.wake()

    def _relate(self) -> None:
        self._catalog.prepare()
        snapshot = self._catalog.snapshot
        if self.background.is_warm:
            snapshot.usual_best(self.background)
        snapshot.related().warm(lambda: self._relating.is_closing)

    def _complete(self, skills: Sequence[Skill]) -> tuple[Skill, ...]:
        return self._catalog.snapshot.related().complete(skills)
