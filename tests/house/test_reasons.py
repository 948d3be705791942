"""Whatever looks wrong at first sight has its reason beside it."""

import ast
import re

import pytest

from house.source import EVERYTHING, SOURCE, Module

NOQA = re.compile(r"#\s*noqa\b(?P<rest>.*)", re.IGNORECASE)
NOQA_WITH_REASON = re.compile(r":\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*\s+\S+.*")
PYRIGHT = re.compile(r"#\s*(pyright|type):\s*(?P<rest>.*)")
PYRIGHT_WITH_REASON = re.compile(r"(ignore\[[\w, ]+\]|basic|\w+=\w+)\s+\S+.*")

# A constant with one of these endings is a limit, a time or a size: people will ask why.
LIMIT = re.compile(r"[A-Z0-9]_(MAX|MIN|S|MS|BYTES|KIB|MIB|MB|GB|LIMIT|COUNT|DEFAULT|PCT|TOKENS|RATIO)$")


@pytest.mark.parametrize("module", EVERYTHING, ids=repr)
def test_every_exemption_has_a_reason(module: Module) -> None:
    for line, comment in module.comments.items():
        above = line - 1 in module.comments and module.lines[line - 2].lstrip().startswith("#")
        if above:
            continue
        if found := NOQA.search(comment):
            assert NOQA_WITH_REASON.fullmatch(found["rest"]), f"{module}:{line}: {comment}"
        if found := PYRIGHT.match(comment):
            assert PYRIGHT_WITH_REASON.fullmatch(found["rest"]), f"{module}:{line}: {comment}"


@pytest.mark.parametrize("module", EVERYTHING, ids=repr)
def test_broad_excepts_have_a_reason(module: Module) -> None:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
            continue
        passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
        reason = module.commented(node.lineno, node.body[0].lineno)
        assert passes_on or reason, f"{module}:{node.lineno}"


@pytest.mark.parametrize("module", SOURCE, ids=repr)
def test_limits_have_a_reason(module: Module) -> None:
    body = module.tree.body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, value = node.target.id, node.value
        else:
            continue
        if not LIMIT.search(name) or not _is_number(value):
            continue
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        reason = documented or module.commented(node.lineno, node.end_lineno or node.lineno)
        assert reason, f"{module}:{node.lineno}: {name} does not say why it is what it is"


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
