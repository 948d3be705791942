"""What a name means among the models that are here: pure. Asked by ``catalog``."""

from rbee.contracts.aliases import names_for, parse_repository, resolve_alias
from rbee.contracts.models import Model


def pick(models: list[Model], name: str) -> Model | None:
    """The model that ``name`` means among ``models`` (pure; see ``Catalog.resolve``)."""
    wanted = name.strip().casefold()
    if not wanted:
        return None
    ranked = [(rank, model) for model in models if (rank := _rank(model, wanted)) is not None]
    if not ranked and (quality := parse_repository(name)) and quality.quantization:
        here = f"{quality.repo.casefold()}:"
        ranked = [
            (0, model)
            for model in models
            if model.id.casefold().startswith(here) and model.quantization == quality.quantization
        ]
    if not ranked and (source := resolve_alias(name)) and source.kind == "hub":
        here = f"{source.repo.casefold()}:"
        ranked = [(0, model) for model in models if model.id.casefold().startswith(here)]
    states = ("available", "downloading", "corrupt")
    best = min(ranked, key=lambda entry: (entry[0], states.index(entry[1].status)), default=None)
    return best[1] if best else None


def aliases_of(model_id: str, repo: str, asked: str) -> list[str]:
    """The names that a model of a repository gets: the repository, friendly names, as asked."""
    names = [repo, *names_for(repo), asked.strip()]
    return list(dict.fromkeys(name for name in names if name.casefold() != model_id.casefold()))


def _rank(model: Model, wanted: str) -> int | None:
    if model.id.casefold() == wanted:
        return 0
    if model.name.casefold() == wanted:
        return 1
    return 2 if any(alias.casefold() == wanted for alias in model.aliases) else None
