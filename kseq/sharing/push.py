"""A run, uploaded to a hub."""

from typing import Any

from kseq.path_names import PathName
from kseq.runs.contents import CARD, SHARED, shared_paths
from kseq.runs.directory import WEIGHTS, check_codecs, check_weights
from kseq.runs.hub import HubName, endpoint, explained_failures, parse_name, require_hub
from kseq.runs.reading import read_run
from kseq.sharing.card import read_or_make_card


def push(run: PathName, name: str, private: bool = False, **card: Any) -> str:
    """Uploads a run as one commit, which replaces a run that is already there: `kseq push`.

    Args:
        run: Run directory.
        name: `hf://user/name`; the repository is created if it does not exist.
        private: Whether a new repository is private.
        **card: Arguments of `kseq.sharing.card.make_card`, for a run without a `README.md`.

    Returns:
        The name with the new revision, `hf://user/name@revision`.

    Raises:
        FileNotFoundError: The run is missing.
        HubFailed: The hub cannot be reached, or refuses.
        ImportError: huggingface_hub is not installed.
        ValueError: It is not a run, or is damaged; or `name` is not such a name.

    Warns:
        UnfinishedRunWarning: The training of the run has not ended.
    """
    hub_name = parse_name(name)
    if hub_name is None or hub_name.revision:
        raise ValueError(f"expected hf://user/name as the place to push to; received {name!r}")
    hub = require_hub()
    folder, _, record = read_run(run)
    check_codecs(folder, record)
    check_weights(folder / WEIGHTS, record)
    record.warn_if_unfinished(run)
    repository = hub_name.repository
    contents = shared_paths(folder)
    contents[CARD] = read_or_make_card(folder, repository.partition("/")[2], **card).encode()
    api = hub.HfApi(endpoint())
    with explained_failures(hub_name):
        api.create_repo(repository, private=private or None, exist_ok=True)
        present = {each.rfilename for each in api.repo_info(repository).siblings}
        changes = [hub.CommitOperationAdd(file, content) for file, content in contents.items()]
        changes += [
            hub.CommitOperationDelete(file) for file in SHARED if file in present - contents.keys()
        ]
        commit = api.create_commit(repository, changes, commit_message="A run of kseq")
    return str(HubName(repository, commit.oid))
