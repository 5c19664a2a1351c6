"""Draws docs/packages.svg, the imports between the folders of kseq, from the imports themselves.

An arrow leads to a folder that is imported at import time. An arrow that a longer path replaces is
left out, so a folder may import all that its arrows lead to. Folders that import each other share a
box. `python tests/tools/draw_packages.py` writes the file, which tests/test_package.py compares.
"""

import ast
import math
import pathlib
import statistics

ROOT = pathlib.Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "packages.svg"
ROW, HEIGHT, GAP, LETTER = 62, 30, 26, 8.2  # pixels


def read_imports(root=ROOT / "kseq"):
    """Returns the folders, and which folders each of them imports at import time, a dict."""
    folders = sorted(path.parent.name for path in root.glob("*/__init__.py"))
    imports = {folder: set() for folder in folders}
    for folder in folders:
        for path in (root / folder).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kseq"):
                    _, *parts = node.module.split(".")
                    names = parts[:1] or [alias.name for alias in node.names]
                    imports[folder] |= {name for name in names if name in imports}
    return {folder: imported - {folder} for folder, imported in imports.items()}


def reachable(imports):
    """Returns all that each folder imports, directly or not."""
    reached = {folder: set(imported) for folder, imported in imports.items()}
    for middle in imports:
        for folder in imports:
            if middle in reached[folder]:
                reached[folder] |= reached[middle]
    return reached


def make_graph(imports):
    """Returns boxes, tuples of folders, and the arrows from each to others that are needed."""
    reached = reachable(imports)
    box_of = {
        folder: tuple(sorted({folder} | {other for other in others if folder in reached[other]}))
        for folder, others in reached.items()
    }
    below = {box_of[folder]: {box_of[other] for other in reached[folder]} for folder in imports}
    below = {box: sorted(others - {box}) for box, others in below.items()}
    return {
        box: [other for other in others if not any(other in below[middle] for middle in others)]
        for box, others in below.items()
    }


def arrange(graph):
    """Returns the row of each box: the last ones as high as possible, the others as low."""
    rows = dict.fromkeys(graph, 0)
    order = sorted(graph, key=lambda box: -len(_all_below(graph, box)))
    for box in order:
        for other in graph[box]:
            rows[other] = max(rows[other], rows[box] + 1)
    for box in reversed(order):
        if graph[box]:
            rows[box] = min(rows[other] for other in graph[box]) - 1
        elif not any(box in others for others in graph.values()):
            rows[box] = max(rows.values())  # It has no arrows at all.
    return rows


def _all_below(graph, box):
    return set(graph[box]).union(*(_all_below(graph, other) for other in graph[box]))


def place(graph, rows):
    """Returns the middle of each box, and the points of each arrow: (x, y).

    An arrow over several rows has an empty place in each of them.
    """
    slots = {row: [box for box in sorted(graph) if rows[box] == row] for row in rows.values()}
    paths = {}
    for box, others in graph.items():
        for other in others:
            between = [(row, box, other) for row in range(rows[box] + 1, rows[other])]
            paths[box, other] = [box, *between, other]
            for slot in between:
                slots[slot[0]].append(slot)
    above = {}
    for path in paths.values():
        for upper, lower in zip(path, path[1:]):
            above.setdefault(lower, []).append(upper)
    places = {}
    for row in sorted(slots):
        means = {
            slot: statistics.fmean(places[upper][0] for upper in above[slot])
            if slot in above
            else -math.inf
            for slot in slots[row]
        }
        ordered = sorted(slots[row], key=lambda slot: (means[slot], str(slot)))
        total = sum(map(width_of, ordered)) + GAP * (len(ordered) - 1)
        x = -total / 2
        for slot in ordered:
            places[slot] = x + width_of(slot) / 2, row * ROW
            x += width_of(slot) + GAP
    return places, {
        pair: _straighten([places[slot] for slot in path]) for pair, path in paths.items()
    }


def _straighten(points):
    """Returns the points of an arrow, those between its ends on one vertical line."""
    first, *between, last = points
    x = max((x for x, _ in between), default=0)
    return [first, *((x, y) for _, y in between), last]


def width_of(slot):
    """Returns the width of a box, or of the empty place of an arrow."""
    return 24 if isinstance(slot[0], int) else 22 + LETTER * len(", ".join(slot))


def draw(imports):
    """Returns the picture, an SVG."""
    graph = make_graph(imports)
    places, arrows = place(graph, arrange(graph))
    boxes = {box: places[box] for box in graph}
    left = min(x - width_of(slot) / 2 for slot, (x, _) in places.items()) - 20
    width = max(x + width_of(slot) / 2 for slot, (x, _) in places.items()) + 20 - left
    height = max(y for _, y in places.values()) + 2 * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="14">',
        "<title>Imports between the folders of kseq</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff" rx="8"/>',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>',
    ]
    for points in arrows.values():
        shifted = [(x - left, y + ROW) for x, y in points]
        shifted[0] = shifted[0][0], shifted[0][1] + HEIGHT / 2
        shifted[-1] = shifted[-1][0], shifted[-1][1] - HEIGHT / 2 - 1
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in shifted)
        lines.append(f'<path d="M{path}" fill="none" stroke="#666" marker-end="url(#a)"/>')
    for box, (x, y) in boxes.items():
        x, y, wide = x - left, y + ROW, width_of(box)
        lines.append(
            f'<rect x="{x - wide / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{wide:.1f}" '
            f'height="{HEIGHT}" rx="4" fill="#dbe7f7" stroke="#5b86bd"/>'
        )
        text = ", ".join(box)
        lines.append(f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle">{text}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(read_imports()), encoding="utf-8")
