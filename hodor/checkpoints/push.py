"""Putting a checkpoint on a hub, from Python (`hodor.push_to_hub`) and from a terminal (`hodor push`)."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from hodor.checkpoints.hub import CONFIGURATION, WEIGHTS, hub_errors, parse_hub_name
from hodor.checkpoints.weights import MEANING, locate_existing
from hodor.config import to_yaml
from hodor.program import ArgumentParser
from hodor.workspace import checkpoints_folder

if TYPE_CHECKING:
    from hodor.checkpoints.checkpoint import Checkpoint

_CARD = "README.md"
_MESSAGE = "A checkpoint of HODOR"


def push_to_hub(
    checkpoint: "Checkpoint | str | Path", name: str, *, private: bool = False, half: bool = False, message: str = _MESSAGE
) -> str:
    """Puts a checkpoint on a hub, in one commit: safetensors, its configuration, and a model card where there is none yet.

    Args:
        checkpoint: loaded, or what `hodor.load` takes.
        name: `hf://owner/name`, which is made if it isn't there, or `hf://owner/name@branch`.
        private: a repository that is made shall be.
        half: keep 16 instead of 32 bits of every weight.
        message: of the commit.

    Returns:
        The commit's address.

    Raises:
        HodorError: the checkpoint can't be loaded, the hub refuses it or breaks off, or the library isn't installed.
    """
    from hodor.checkpoints.checkpoint import Checkpoint, load, save_checkpoint  # noqa: PLC0415 (torch takes seconds to import)

    target = parse_hub_name(name)
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load(checkpoint)
    template = jinja2.Template(Path(__file__).with_name("model_card.md.jinja").read_text(), keep_trailing_newline=True)
    card = template.render(title=target.repository.partition("/")[2], name=target, summary=loaded)
    with tempfile.TemporaryDirectory() as folder:
        files = {each: Path(folder) / each for each in (WEIGHTS, CONFIGURATION, _CARD)}
        save_checkpoint(files[WEIGHTS], loaded, half=half)
        files[CONFIGURATION].write_text(to_yaml(loaded.config), encoding="utf-8")
        files[_CARD].write_text(card, encoding="utf-8")
        with hub_errors(target) as library:
            api = library.HfApi()
            api.create_repo(target.repository, private=private or None, exist_ok=True)  # else as the owner has it by default
            if target.revision:
                api.create_branch(target.repository, branch=target.revision, exist_ok=True)
            if api.file_exists(target.repository, _CARD, revision=target.revision):
                del files[_CARD]
            operations = [library.CommitOperationAdd(each, str(path)) for each, path in files.items()]
            commit = api.create_commit(target.repository, operations, commit_message=message, revision=target.revision)
            return str(commit.commit_url)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code 0."""
    parser = ArgumentParser(
        prog="hodor push",
        description="Puts a checkpoint on a hub: safetensors, its configuration, and a model card where there is none yet. "
        "Log in before (hf auth login), or name a token in $HF_TOKEN; $HF_ENDPOINT names another hub.",
    )
    parser.add_argument("checkpoint", help=MEANING)
    parser.add_argument("name", help="hf://owner/name, which is made if it isn't there, or hf://owner/name@branch")
    parser.add_argument("--private", action="store_true", help="make the repository a private one, if it is made")
    parser.add_argument("--half", action="store_true", help="keep 16 bits of every weight")
    parser.add_argument("--message", default=_MESSAGE, help="of the commit (default: %(default)s)")
    options = parser.parse_args(arguments)
    parse_hub_name(options.name)
    weights = locate_existing(options.checkpoint, checkpoints_folder())
    print(push_to_hub(weights, options.name, private=options.private, half=options.half, message=options.message))
    return 0
