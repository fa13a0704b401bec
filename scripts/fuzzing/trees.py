"""Lies in nested data: JSON, YAML, tables of tensors."""

from typing import Any

from fuzzing.draw import Rng, count, pick

ODD: tuple[Any, ...] = (
    *(None, True, False, "", "x", "0", [], {}, [[]], {"x": 1}, 0, 1, -1, 2, 1.5, -0.5, 1e-300, 1e38, 1e308, 10**30),
    *(float("nan"), float("inf"), float("-inf"), "nan", "../../x", "\0", "x" * 5000, list(range(50)), -(2**63), 2**64),
)


def lied(rng: Rng, tree: Any) -> tuple[Any, str]:
    """Change 1 to 4 places of nested dicts and lists in place, and say which."""
    words = []
    for _ in range(count(rng, 4)):
        holder, key, path = tree, None, ""
        while isinstance(inside := holder if key is None else holder[key], dict | list) and inside:
            if key is not None and rng.random() < 0.12:
                break
            holder = inside
            key = pick(rng, list(inside)) if isinstance(inside, dict) else int(rng.integers(len(inside)))
            path += f"/{key}"
        if key is not None:
            words.append(f"…{path[-40:]} {_change(rng, holder, key)}")
    return tree, ", ".join(words)


def _change(rng: Rng, holder: Any, key: Any) -> str:
    match int(rng.integers(8)):
        case 0:
            del holder[key]
            return "deleted"
        case 1 if isinstance(holder, dict):
            holder[str(key) + "x"] = holder.pop(key)
            return "renamed"
        case 1:
            holder.append(holder[key])
            return "doubled"
        case 2 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] *= pick(rng, (-1, 0, 1e-9, 1e9, 2))
            return f"is {holder[key]}"
        case _:
            holder[key] = pick(rng, ODD)
            return f"is {str(holder[key])[:20]}"
