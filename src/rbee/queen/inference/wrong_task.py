"""A request for what its model was not made for: the answer that says so at once.

No worker is ever started by itself for another task than the model's own, so such a
request would wait for nothing. An engine would even answer some of them: llama.cpp
gives scores of any model, and they mean nothing.
"""

from rbee.contracts.workers import Task
from rbee.errors import InvalidRequest

_IS: dict[Task, str] = {
    "generate": "generates text",
    "embeddings": "is an embedding model",
    "rerank": "is a reranker",
}
_ENDPOINT: dict[Task, str] = {
    "generate": "chat/completions",
    "embeddings": "embeddings",
    "rerank": "rerank",
}


def wrong_task(model: str, asked: Task, usual: Task) -> InvalidRequest:
    """The refusal of a request for ``asked`` to a model that is made for ``usual``."""
    lacks = {
        "generate": "generates no text",
        "embeddings": "no worker gives embeddings of it",
        "rerank": "its scores would mean nothing",
    }[asked]
    remedy = f"Send it to `{_ENDPOINT[usual]}`, or choose another model."
    if asked == "embeddings" and usual == "generate":
        remedy = (
            "Use an embedding model, or start a worker for it: "
            f"`rbee worker spawn {model} --task embeddings`."
        )
    elif asked == "rerank":
        remedy = "Choose a reranker: a GGUF whose header says `pooling_type: rank`."
    return InvalidRequest(f"{model!r} {_IS[usual]}; {lacks}.", remedy=remedy, param="model")
