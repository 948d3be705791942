"""What a worker is started for: the operator's word, else the model's header.

Any model gives embeddings of a kind, so that wish is followed. Scores of a model that
was not made for them mean nothing, and no engine says so: that wish is refused.
"""

from rbee.contracts.models import Model, usual_task
from rbee.contracts.workers import Task
from rbee.errors import InvalidRequest


def task_of(asked: Task | None, model: Model) -> Task:
    """The task of a worker of ``model``.

    Raises:
        InvalidRequest: it shall rank, and its header says that it cannot.
    """
    usual = usual_task(model)
    if asked is None or asked == usual:
        return asked or usual
    if asked == "rerank" and model.rerank is False:
        raise InvalidRequest(
            f"{model.id!r} is no reranker: its scores would mean nothing.",
            remedy="Choose a model whose header says `pooling_type: rank`, for instance a "
            "bge-reranker or jina-reranker GGUF.",
            param="$.task",
        )
    return asked
