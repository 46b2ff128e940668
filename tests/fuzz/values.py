"""JSON that programs trip over, as text, so that it can be what no encoder would write."""

import json
from random import Random
from typing import Any

SCALARS = (
    *("null", "true", "false", "0", "-0", "-1", "1.5", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1E-999"),
    *("9007199254740993", "18446744073709551616", "-9223372036854775809", "9" * 400, "9" * 5000, "0.1" + "0" * 400),
    *('""', '" "', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\uffff"', '"\\u202e"', '"\\n"', '"é"', '"𝕏"', '"\\u0041\\u030a"'),
    *(
        '"__proto__"',
        '"constructor"',
        '"../../etc/passwd"',
        '"${jndi:ldap://x}"',
        '"\' OR 1=1 --"',
        '"<script>"',
        '"%00"',
        '"a.b.c.d"',
        '"."',
    ),
    *(
        '"${first.repo}"',
        '"${first}"',
        '"${}"',
        '"${first..x}"',
        '"${second.a}"',
        '"${first.labels.-1}"',
        '"${first.labels.999999999999}"',
        '"${${first}}"',
    ),
    *("[]", "{}", "[[]]", "[null]", '{"":""}', '{"__class__":{}}', '{"$ref":"#"}', '{"$ref":"file:///etc/passwd"}', '{"_meta":{}}'),
    *('"2026-07-28"', '"2025-11-25"', '"2024-11-05"', '"1900-01-01"', '"tools/call"', '"server/discover"', '"initialize"'),
)


def deep(random: Random) -> str:
    """Nested further than anything reasonable."""
    depth = random.choice((10, 60, 63, 64, 65, 100, 1000, 20000))
    left, right = random.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    return left * depth + random.choice(("1", "", "null")) + right * random.choice((depth, depth, depth - 1, 0))


def long(random: Random) -> str:
    """Larger than anything reasonable."""
    size = random.choice((300, 5_000, 70_000))
    return random.choice(
        (
            json.dumps("x" * size),
            '"' + "\\u00e9" * size + '"',
            "[" + ",".join(["0"] * size) + "]",
            "{" + ",".join(f'"k{number}":0' for number in range(size // 10)) + "}",
            '"' + "\\\\" * size + '"',
        )
    )


def letter(random: Random) -> str:
    """From everywhere but the surrogates, which no file can hold."""
    return chr(random.choice((random.randrange(32), random.randrange(0x250), random.randrange(0xD800), 0xE000 + random.randrange(0x1000))))


def noise(random: Random) -> str:
    """A string of letters from everywhere."""
    return json.dumps("".join(letter(random) for _ in range(random.randrange(40))), ensure_ascii=random.random() < 0.5)


def value(random: Random) -> str:
    """Some JSON, or almost."""
    kind = random.random()
    if kind < 0.75:
        return random.choice(SCALARS)
    if kind < 0.85:
        return noise(random)
    return deep(random) if kind < 0.93 else long(random)


def paths(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [here] if here else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, below in items:
        found += paths(below, (*here, key))
    return found


MARK = "\x01put\x01"


def replaced(tree: Any, path: tuple[Any, ...], text: str) -> str:
    """The JSON text of `tree` with `text` at `path`."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = MARK
    return json.dumps(copy).replace(json.dumps(MARK), text, 1)


def without(tree: Any, path: tuple[Any, ...]) -> str:
    """The JSON text of `tree` without the value at `path`."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    return json.dumps(copy)


def doubled(tree: Any, path: tuple[Any, ...], text: str) -> str:
    """The JSON text of `tree` with a second value under the key at `path`."""
    if isinstance(path[-1], int):
        return replaced(tree, path, f"{text},{text}")
    return replaced(tree, path, f"{text},{json.dumps(path[-1])}:{text}")
