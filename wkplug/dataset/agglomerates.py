"""`AgglomerateGraph`, and agglomerates as files: which segments belong together, with positions and affinities.

An agglomerate is a connected component of the graph. Agglomerates are numbered from 1 by their smallest segment;
0 is background. On disk they are arrays in one folder (`wkplug.dataset.legacy.attachment_formats`).

Graphs need the package networkx, which is imported when this module is: only through `wkplug.AgglomerateGraph`
and the methods of `AgglomerateAttachment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.dataset.legacy.attachment_formats import read_arrays, write_arrays
from wkplug.errors import InvalidArgumentError, PluginMissingError

try:
    import networkx  # type: ignore[import-untyped]  # its types are a package of their own
except ImportError as error:
    raise PluginMissingError(
        "Graphs of agglomerates need the package networkx, which isn't installed.",
        hint="Install it with: pip install networkx",
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Location

__all__ = ["AgglomerateGraph", "AgglomerateGraphData", "check_dtype", "read", "write"]


@attrs.frozen(eq=False, kw_only=True)
class AgglomerateGraphData:
    """A graph as the arrays that are stored; n agglomerates, s segments, e edges.

    segment_to_agglomerate: uint64, s + 1; of segment 0, the background, it is 0.
    agglomerate_to_segments_offsets: uint64, n + 2; where each agglomerate's segments begin and end.
    agglomerate_to_segments: the segments of agglomerate 1, sorted, then those of 2, ...
    agglomerate_to_positions: int32, s x 3, in that order.
    agglomerate_to_edges_offsets: uint64, n + 2.
    agglomerate_to_edges: e x 2; which of the agglomerate's segments an edge connects, counted from 0, sorted.
    agglomerate_to_affinities: float32, e.
    """

    segment_to_agglomerate: NDArray[Any]
    agglomerate_to_segments_offsets: NDArray[Any]
    agglomerate_to_segments: NDArray[Any]
    agglomerate_to_positions: NDArray[Any]
    agglomerate_to_edges_offsets: NDArray[Any]
    agglomerate_to_edges: NDArray[Any]
    agglomerate_to_affinities: NDArray[Any]


class AgglomerateGraph(networkx.Graph):  # type: ignore[misc]  # networkx ships no types
    """Segments as nodes, with a position, and edges between them, with an affinity."""

    def add_segment(self, segment_id: int, *, position: Sequence[int]) -> None:
        """Add a segment; position: x, y, z in Mag(1) voxels. ValueError unless the id is a positive integer."""
        _check_id(segment_id)
        numbers = tuple(int(number) for number in position)
        if len(numbers) != 3:
            raise InvalidArgumentError(f"The position {position!r} doesn't have three numbers.")
        self.add_node(int(segment_id), position=numbers)

    def add_affinity_edge(self, u: int, v: int, *, affinity: float) -> None:
        """Connect two segments; ValueError unless both have been added."""
        for segment in (u, v):
            _check_id(segment)
            if segment not in self:
                raise InvalidArgumentError(
                    f"The segment {segment} isn't in the graph.", hint="Add it with add_segment first."
                )
        self.add_edge(int(u), int(v), affinity=float(affinity))

    def to_agglomerate_graph_data(self, segmentation_dtype: Any = "uint32") -> AgglomerateGraphData:
        """Give the arrays that are stored; ValueError unless the ids are 1, 2, ... without gaps."""
        import numpy

        dtype = numpy.dtype(segmentation_dtype)
        check_dtype(dtype.name)
        for segment in self.nodes:
            _check_id(segment)
        count = self.number_of_nodes()
        if count and max(self.nodes) != count:
            raise InvalidArgumentError(
                f"The segment ids must be dense, 1 to {count} without gaps, but the largest is {max(self.nodes)}.",
                hint="Add the missing segments, or number them anew.",
            )
        groups = sorted(
            (sorted(group) for group in networkx.connected_components(self)), key=lambda group: group[0]
        )
        agglomerate_of = numpy.zeros(count + 1, "uint64")
        segments: list[int] = []
        edges: list[tuple[int, int]] = []
        affinities: list[float] = []
        segment_offsets, edge_offsets = [0, 0], [0, 0]
        for number, group in enumerate(groups, 1):
            agglomerate_of[group] = number
            local = {segment: index for index, segment in enumerate(group)}
            found = sorted(
                (*sorted((local[a], local[b])), data.get("affinity", 1.0))
                for a, b, data in self.subgraph(group).edges(data=True)
            )
            segments.extend(group)
            edges.extend((edge[0], edge[1]) for edge in found)
            affinities.extend(edge[2] for edge in found)
            segment_offsets.append(len(segments))
            edge_offsets.append(len(edges))
        positions = [self.nodes[segment].get("position", (0, 0, 0)) for segment in segments]
        return AgglomerateGraphData(
            segment_to_agglomerate=agglomerate_of,
            agglomerate_to_segments_offsets=numpy.asarray(segment_offsets, "uint64"),
            agglomerate_to_segments=numpy.asarray(segments, dtype),
            agglomerate_to_positions=numpy.asarray(positions, "int32").reshape(-1, 3),
            agglomerate_to_edges_offsets=numpy.asarray(edge_offsets, "uint64"),
            agglomerate_to_edges=numpy.asarray(edges, dtype).reshape(-1, 2),
            agglomerate_to_affinities=numpy.asarray(affinities, "float32"),
        )

    @classmethod
    def from_agglomerate_graph_data(cls, data: AgglomerateGraphData) -> AgglomerateGraph:
        """Give the graph back."""
        graph = cls()
        segments = data.agglomerate_to_segments.tolist()
        for segment, position in zip(segments, data.agglomerate_to_positions.tolist(), strict=True):
            graph.add_segment(segment, position=position)
        begins = data.agglomerate_to_segments_offsets.tolist()
        offsets = data.agglomerate_to_edges_offsets.tolist()
        edges, affinities = data.agglomerate_to_edges.tolist(), data.agglomerate_to_affinities.tolist()
        for number in range(1, len(offsets) - 1):
            base = begins[number]
            for index in range(offsets[number], offsets[number + 1]):
                a, b = edges[index]
                graph.add_affinity_edge(segments[base + a], segments[base + b], affinity=affinities[index])
        return graph


def _check_id(segment: Any) -> None:
    if isinstance(segment, bool) or not hasattr(segment, "__index__") or segment < 1:
        raise InvalidArgumentError(f"Segment ids must be positive integers, not {segment!r}.")


def check_dtype(name: str) -> None:
    """Refuse segmentations whose ids agglomerates can't hold, with InvalidArgumentError (an AssertionError)."""
    if name not in ("uint32", "uint64"):
        raise InvalidArgumentError(
            f"Agglomerates are of segmentations of uint32 or uint64, not of {name}.",
            hint="Copy the segmentation to a layer of one of these dtypes.",
        )


def write(location: Location, graph: AgglomerateGraph, segmentation_dtype: Any) -> str:
    """Store a graph in a new folder and give the data format; FileExistsError if there is something already."""
    data = graph.to_agglomerate_graph_data(segmentation_dtype)
    return write_arrays(location, attrs.asdict(data, recurse=False))


def read(location: Location, data_format: str) -> AgglomerateGraph:
    """Read a graph; UnsupportedOperationError for other data formats than the one that is written."""
    names = [field.name for field in attrs.fields(AgglomerateGraphData)]
    return AgglomerateGraph.from_agglomerate_graph_data(
        AgglomerateGraphData(**read_arrays(location, data_format, names))
    )
