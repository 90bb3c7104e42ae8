"""The face mesh's triangles and contours as a small text table.

Source: mediapipe's `face_mesh_connections.py`. Its edge lists are parsed with `ast`, because importing
the file turns them into sets and loses the order that makes three edges one triangle.
"""

import ast

HEADER = """\
# Topology of the 468-point face mesh (face_mesh.onnx): vertex indices, 0-based.
# Source: mediapipe 0.10.14, mediapipe/python/solutions/face_mesh_connections.py (Apache-2.0).
# Written by models/fetch.py, which fails if its source no longer gives this table.
# [triangles]: three vertices a line. Every other section: one closed loop on one line (the last
# vertex joins the first). Left and right are the person's own.
"""
VERTICES = 468
TRIANGLES = 852


def edge_lists(source):
    """Every `FACEMESH_X = frozenset([...])` of the file: name -> edges in their written order."""
    lists = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        args = node.value.args
        if getattr(node.value.func, "id", None) == "frozenset" and args and isinstance(args[0], ast.List):
            lists[node.targets[0].id] = ast.literal_eval(args[0])
    return lists


def triangles(edges):
    """Takes the tesselation's edges three at a time; each three must close."""
    result = []
    for (a, b), (c, d), (e, f) in zip(edges[0::3], edges[1::3], edges[2::3]):
        if (b, d, f) != (c, e, a):
            raise ValueError(f"edges {(a, b)}, {(c, d)}, {(e, f)} do not close a triangle")
        result.append((a, b, d))
    if len(edges) % 3 or len(result) != TRIANGLES or {v for t in result for v in t} != set(range(VERTICES)):
        raise ValueError(f"{len(edges)} edges do not make {TRIANGLES} triangles over {VERTICES} vertices")
    return result


def loops(edges):
    """Walks the edges into closed loops, in written order; two open chains (a brow) make one loop."""
    neighbours = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    found, chains, seen = [], [], set()
    ends = [v for v in neighbours if len(neighbours[v]) == 1]
    for start in ends + list(neighbours):
        if start in seen:
            continue
        walk, at = [], start
        while at is not None:
            seen.add(at)
            walk.append(at)
            at = next((n for n in neighbours[at] if n not in seen), None)
        (chains if start in ends else found).append(walk)
    if chains:
        if len(chains) != 2 or found:
            raise ValueError("a contour is neither closed loops nor two chains")
        found = [chains[0] + chains[1][::-1]]
    if sum(map(len, found)) != len(neighbours):
        raise ValueError("a contour crosses itself")
    return found


def table(source):
    """The whole text of face_mesh_topology.txt from the text of face_mesh_connections.py."""
    lists = edge_lists(source)
    outer, inner = loops(lists["FACEMESH_LIPS"])
    sections = [
        ("oval", *loops(lists["FACEMESH_FACE_OVAL"])),
        ("lips_outer", outer),
        ("lips_inner", inner),
        ("left_eye", *loops(lists["FACEMESH_LEFT_EYE"])),
        ("right_eye", *loops(lists["FACEMESH_RIGHT_EYE"])),
        ("left_eyebrow", *loops(lists["FACEMESH_LEFT_EYEBROW"])),
        ("right_eyebrow", *loops(lists["FACEMESH_RIGHT_EYEBROW"])),
    ]
    lines = [HEADER + "[triangles]"]
    lines += ["%d %d %d" % t for t in triangles(lists["FACEMESH_TESSELATION"])]
    for name, loop in sections:
        lines += ["[%s]" % name, " ".join(map(str, loop))]
    return "\n".join(lines) + "\n"
