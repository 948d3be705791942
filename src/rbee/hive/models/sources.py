"""Where a model can be had: the colony's hives, the starter's package, the hub.

``downloads`` asks here what a name means and gets a ``Wanted``, which knows how to bring it.
Nothing is fetched here but listings and headers.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from rbee.contracts.aliases import known_names, resolve_alias
from rbee.contracts.models import Model
from rbee.errors import CorruptModel, ModelNotFound, RbeeError
from rbee.hive.models.hub import HubSettings, find_on_hub
from rbee.hive.models.package import PackagedModel, installed_file, packaged
from rbee.hive.models.pick import Judge
from rbee.hive.models.wanted import Colony, Say, Wanted


class Sources:
    """The sources of one hive; see ``Downloads`` for the settings."""

    def __init__(
        self,
        *,
        hub: Callable[[], HubSettings],
        environ: Mapping[str, str] | None,
        starter: PackagedModel,
        judge: Callable[[], Judge] | None,
        colony: Colony | None,
    ) -> None:
        self._hub = hub
        self._environ = environ
        self._starter = starter
        self._judge = judge
        self._colony = colony

    async def find(self, name: str, here: Model | None, from_hive: str | None, say: Say) -> Wanted:
        """The colony before the sources outside, unless nothing has to come at all.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: no source has it, or gives it.
        """
        exact = here.id if here is not None else name
        if self._colony is not None and not self.at_hand(exact):

            async def elsewhere(model_id: str) -> Wanted:
                return await self.outside(model_id, None, say)

            found = await self._colony.find(exact, from_hive, elsewhere, say)
            if found is not None:
                return found if from_hive else _also_called(found, (name,))
        if from_hive is not None:
            raise ModelNotFound(f"The hive {from_hive} gives no model {name!r}.", param="$.model")
        return await self.outside(name, here, say)

    def at_hand(self, name: str) -> bool:
        """Whether the model lies in a package of this machine."""
        source = resolve_alias(name)
        packaged_here = name == self._starter.id or (source and source.kind == "package")
        return bool(packaged_here) and installed_file(self._starter) is not None

    async def outside(self, name: str, here: Model | None, say: Say) -> Wanted:
        """Which source outside has it. Where a part of it is ``here``, that exact file goes on.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: as ``find``.
        """
        exact = here.id if here is not None else name
        source = resolve_alias(exact)
        if exact == self._starter.id or (source is not None and source.kind == "package"):
            if self._environ is None:
                return packaged(self._starter)
            return packaged(self._starter, self._environ)
        judge = self._judge() if self._judge is not None else None
        wanted = await find_on_hub(exact, self._hub(), say, judge)
        if wanted is None:
            raise _unknown(name, here)
        if here is None:
            return wanted
        return _also_called(wanted, here.aliases)


def _unknown(name: str, here: Model | None) -> RbeeError:
    """No source has it; where it is here all the same, it is damaged."""
    if here is not None:
        return CorruptModel(
            f"{here.id} cannot be used: {here.reason}.",
            remedy=f"Repair the file, or delete the entry: `rbee model delete {here.id}`.",
        )
    return ModelNotFound(
        f"No model is called {name!r}.",
        remedy=f"Give `org/repo`, a path, or one of: {', '.join(known_names())}.",
        param="$.model",
    )


def _also_called(wanted: Wanted, names: Iterable[str]) -> Wanted:
    """The same under more names."""
    more = (name.strip() for name in names if name.strip().casefold() != wanted.id.casefold())
    return msgspec.structs.replace(wanted, aliases=tuple(dict.fromkeys([*wanted.aliases, *more])))
