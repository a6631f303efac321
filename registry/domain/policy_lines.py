"""On which line of a policy document a path of it stands."""

from __future__ import annotations

import re

import yaml

_PART = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


def line_of(content: str, path: str) -> int | None:
    """Give the line, from 1, of what a problem's path names, or of the nearest thing around it.

    Args:
        content: a document that `policy_yaml.load_plain` could read, whatever is wrong in it.

    None for the document as a whole.
    """
    node = yaml.compose(content, Loader=yaml.SafeLoader)
    if node is None or not path:
        return None
    line = node.start_mark.line
    for key, index in _PART.findall(path):
        if key and isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if pair[0].value == key]
            if not pairs:
                break
            # The last of two keys that are the same: the one too many.
            line, node = pairs[-1][0].start_mark.line, pairs[-1][1]
        elif index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
