"""The root of all that rbee reports to a person; see the package for the whole tree."""

from typing import ClassVar


class RbeeError(Exception):
    """Anything that rbee reports to a person.

    ``message`` says what was wrong; ``remedy`` says what to do about it;
    ``param`` is the JSON path or the name of the input at fault, if one is; ``data`` is
    more for programs, such as one row for each of several faults.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    remedy: str = "This is a fault in rbee: please report it with the log (`rbee logs`)."

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        param: str | None = None,
        data: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.data = data
        if remedy is not None:
            self.remedy = remedy
