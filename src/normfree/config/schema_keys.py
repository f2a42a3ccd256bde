"""The keys of a configuration, from its schema."""

from dataclasses import fields, is_dataclass
from typing import get_type_hints


def schema_keys(schema: type, prefix: str = "") -> list[str]:
    """Every dotted key of a dataclass schema."""
    hints = get_type_hints(schema)
    keys = []
    for each in fields(schema):
        kind = hints[each.name]
        keys.append(prefix + each.name)
        if isinstance(kind, type) and is_dataclass(kind):
            keys += schema_keys(kind, f"{prefix}{each.name}.")
    return keys
