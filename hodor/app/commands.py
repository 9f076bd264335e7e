"""What a session is as a command line of `hodor track`."""

from argparse import Namespace

from hodor.app.records import Settings
from hodor.app.sessions import Session
from hodor.checkpoints.weights import DEFAULT
from hodor.tracking.inputs import as_arguments, parsed


def command_of(session: Session) -> list[str]:
    """The command line that does the same, and may go on in the same folder."""
    masks = []
    for index in session.painted_files():
        name = session.name_of(index)
        frame = str(index) if name.startswith("-") or "=" in name else name  # a command line would misread such a name
        masks.append(f"{frame}={session.painted_folder / f'{index}.png'}")
    return ["hodor", "track", *_arguments(session, session.record.settings, masks)]


def options_of(session: Session, settings: Settings) -> Namespace:
    """The options of `hodor track` for some settings, with which masks are given otherwise."""
    return parsed(_arguments(session, settings, []))


def _arguments(session: Session, settings: Settings, masks: list[str]) -> list[str]:
    record = session.record
    known = session.painted_ids() | {int(each.partition("=")[0]) for each in record.options.get("objects", [])}
    names = [f"{object_id}={name}" for object_id, name in record.names.items() if object_id in known]
    options = record.options | settings.model_dump(by_alias=True)
    if settings.checkpoint == DEFAULT:
        del options["checkpoint"]
    given = ["--out", str(session.folder), *(["--masks", *masks] if masks else []), *(["--names", *names] if names else [])]
    return [session.source, *given, *as_arguments(options)]
