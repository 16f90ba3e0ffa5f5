"""Reads values.yaml as far as it is written here: keys, comments, defaults.

Enough for one file of known form, so that the generator needs nothing but
Python's own library.
"""

import dataclasses
import json
import re

LINE = re.compile(r"^( *)([\w./-]+):(?: (.*))?$")
HINT = re.compile(r"^\((enum|items|minimum|pattern): (.*)\)$")


@dataclasses.dataclass
class Value:
    path: list
    comment: str
    hints: dict
    default: object
    children: list


def scalar(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read(text):
    root = Value([], "", {}, None, [])
    stack, comment, hints = [(-1, root)], [], {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            comment, hints = [], {}
        elif stripped.startswith("#"):
            hint = HINT.match(stripped.lstrip("# "))
            if hint:
                hints[hint[1]] = hint[2]
            else:
                comment.append(stripped.lstrip("# "))
        else:
            match = LINE.match(line)
            if not match:
                raise SystemExit(f"values.yaml:{number}: not understood: {line}")
            indent = len(match[1])
            while stack[-1][0] >= indent:
                stack.pop()
            parent = stack[-1][1]
            default = scalar(match[3]) if match[3] else None
            value = Value(parent.path + [match[2]], " ".join(comment), hints, default, [])
            parent.children.append(value)
            stack.append((indent, value))
            comment, hints = [], {}
    return root


def plain(value):
    """The default, with what stands below it."""
    if value.children:
        return {child.path[-1]: plain(child) for child in value.children}
    return value.default


def leaves(value):
    """The documented values. What stands below a documented one is its default."""
    for child in value.children:
        if child.comment:
            yield child
        elif child.children:
            yield from leaves(child)
        else:
            raise SystemExit(f"values.yaml: {'.'.join(child.path)} has no comment")
