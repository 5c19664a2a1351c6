"""Gold word alignments in Pharaoh format."""

from kseq.corpora.lines import read_lines


def read_alignments(path):
    """Yields the gold alignment on each line of a file, a set of (source, target) positions.

    Args:
        path: File in Pharaoh format.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line holds something other than links.
    """
    for number, line in read_lines(path):
        yield read_links(line, f"{path}, line {number}")


def read_links(line, name):
    """Reads an alignment in Pharaoh format, `"0-0 1-2"`, source before target.

    Args:
        line: Links separated by spaces.
        name: Name of the line in error messages.

    Returns:
        A set of (source, target) positions.

    Raises:
        ValueError: The line holds something other than links.
    """
    links = [link.partition("-") for link in line.split()]
    for source, dash, target in links:
        if not (source.isdecimal() and target.isdecimal()):
            raise ValueError(
                f"{name}: expected links such as 0-0 1-2, source before target; received "
                f"{source}{dash}{target}"
            )
    return {(int(source), int(target)) for source, _, target in links}
