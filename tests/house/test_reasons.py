"""Whatever looks wrong at first sight has its reason beside it."""

import ast
import re
from collections.abc import Iterator

from house.source import EVERYTHING, SOURCE, Module

NOQA = re.compile(r"#\s*noqa\b(?P<rest>.*)", re.IGNORECASE)
NOQA_WITH_REASON = re.compile(r":\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*\s+\S+.*")
PYRIGHT = re.compile(r"#\s*(pyright|type):\s*(?P<rest>.*)")
PYRIGHT_WITH_REASON = re.compile(r"(ignore\[[\w, ]+\]|basic|\w+=\w+)\s+\S+.*")

# A constant with one of these endings is a limit, a time or a size: people will ask why.
LIMIT = re.compile(
    r"[A-Z0-9]_(MAX|MIN|S|MS|BYTES|KIB|MIB|MB|GB|LIMIT|COUNT|DEFAULT|PCT|TOKENS|RATIO)$"
)


def test_every_exemption_has_a_reason() -> None:
    bare = [
        f"{module}:{line}: {comment}"
        for module in EVERYTHING
        for line, comment in module.comments.items()
        if not _above(module, line) and not _is_explained(comment)
    ]
    assert not bare


def test_broad_excepts_have_a_reason() -> None:
    bare: list[str] = []
    for module in EVERYTHING:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
                passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if not passes_on and not module.commented(node.lineno, node.body[0].lineno):
                    bare.append(f"{module}:{node.lineno}")
    assert not bare


def test_limits_have_a_reason() -> None:
    """On its line, on the line above, or as the string below."""
    bare = [found for module in SOURCE for found in _limits_without_reason(module)]
    assert not bare


def _limits_without_reason(module: Module) -> Iterator[str]:
    body = module.tree.body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, value = node.target.id, node.value
        else:
            continue
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        commented = module.commented(node.lineno, node.end_lineno or node.lineno)
        if LIMIT.search(name) and _is_number(value) and not documented and not commented:
            yield f"{module}:{node.lineno}: {name}"


def _above(module: Module, line: int) -> bool:
    """Whether a comment of its own stands on the line before."""
    return line - 1 in module.comments and module.lines[line - 2].lstrip().startswith("#")


def _is_explained(comment: str) -> bool:
    if found := NOQA.search(comment):
        return NOQA_WITH_REASON.fullmatch(found["rest"]) is not None
    if found := PYRIGHT.match(comment):
        return PYRIGHT_WITH_REASON.fullmatch(found["rest"]) is not None
    return True


def _is_broad(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(ast.unparse(part) in {"Exception", "BaseException"} for part in parts)


def _is_number(value: ast.expr | None) -> bool:
    match value:
        case ast.Constant(value=int() | float()):
            return not isinstance(value.value, bool)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case _:
            return False
