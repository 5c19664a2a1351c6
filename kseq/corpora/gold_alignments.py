"""Gold word alignments in Pharaoh format."""

from kseq.corpora.lines import read_lines
from kseq.errors import SettingError


def require_words(config):
    """Checks that a run can be measured with gold alignments, which link words.

    Args:
        config: `Config` of the run.

    Raises:
        ValueError: Its tokens are not words.
    """
    widths = config.model.source_features, config.model.target_features
    if any(widths) or not config.text.reads_words:
        raise SettingError(
            "{alignments} requires a run whose tokens are words: text with word or space as "
            "{source_tokenizer} and {target_tokenizer}, and a {case} other than mark"
        )


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
        if not (_is_position(source) and _is_position(target)):
            raise ValueError(
                f"{name}: expected links such as 0-0 1-2, source before target; received "
                f"{source}{dash}{target}"
            )
    return {(int(source), int(target)) for source, _, target in links}


def _is_position(text):
    return text.isdecimal() and len(text) < 10
