"""Which object a colour stands for: one answer for all masks of a video."""

import re
from collections.abc import Mapping, Sequence

from PIL import ImageColor

from hodor.errors import HodorError
from hodor.formats.label_maps import VOID, ids_by_colour

BLACK, WHITE = 0x000000, 0xFFFFFF
MAX_OBJECT_ID = VOID - 1
_NAMES = {0xFF0000: "red", 0x0000FF: "blue", 0xFFFF00: "yellow", 0x00FFFF: "cyan", 0xFF00FF: "magenta", WHITE: "white"}


class ColourIds:
    """The ids of colours, the same ones in every mask that is read with this object.

    A mask whose colours are all in the DAVIS palette, or all in that of YouTube-VOS, keeps the ids of the palette. Any other
    colours get the smallest free ids in the order in which they appear: mask by mask, in a mask from the smallest area to the
    largest, and equal areas from top to bottom. Black is the background; white, where it is the first colour and alone, is 1.
    """

    def __init__(self, given: Mapping[int, int] | None = None) -> None:
        """`given`: {R << 16 | G << 8 | B: id}, all colours there are; None = masks tell."""
        self.given = given is not None  # whether the user said which colours there are
        self._ids = {BLACK: 0, **(given or {})}
        self._palette: dict[int, int] = {}

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "ColourIds":
        """Reads texts such as red=1, #00ff00=2 or white=0 (background).

        Raises:
            HodorError: a text isn't COLOUR=ID, or a colour is named twice.
        """
        given: dict[int, int] = {}
        for text in texts:
            name, _, number = text.rpartition("=")
            if not re.fullmatch("[0-9]{1,3}", number) or int(number) > MAX_OBJECT_ID:
                raise HodorError(
                    f"--colours {text}: must be COLOUR=ID, as in red=1 or #00ff00=2, with an id up to 254 (0 = none)"
                )
            try:
                red, green, blue = ImageColor.getrgb(name.strip())[:3]
            except ValueError:
                raise HodorError(f"--colours {text}: {name!r} is no colour; write a name (red) or #RRGGBB (#00ff00)") from None
            code = red << 16 | green << 8 | blue
            if code in given:
                raise HodorError(f"--colours {text}: {colour_name(code)} is named twice; give each colour one id")
            given[code] = int(number)
        if not any(given.values()):
            raise HodorError("--colours: no colour has an object's id; give one, as in red=1")
        return cls(given)

    def ids_of(self, codes: Sequence[int]) -> dict[int, int]:
        """The ids of the colours in a mask, {R << 16 | G << 8 | B: id}; 0 is background and 255 "unsure".

        Args:
            codes: its colours, in the order in which new ones are to get ids.

        Raises:
            HodorError: the user said which colours there are and this is another one, or there are no ids left.
        """
        new = [code for code in codes if code not in self._ids]
        if new and self.given:
            names = ", ".join(colour_name(code) for code in self._ids if code != BLACK)
            raise HodorError(
                f"{colour_name(new[0])} is none of the --colours ({names}); add #{new[0]:06x}=ID, "
                f"or #{new[0]:06x}=0 for background"
            )
        if self.is_new:
            self._palette = {WHITE: 1} if new == [WHITE] else _palette_with(new) or {}
        taken = set(self._ids.values())
        ids = {code: self._palette[code] for code in new if code in self._palette}
        for code in new:
            if code not in ids or ids[code] in taken:
                free = set(range(1, VOID)) - taken - set(ids.values())
                if not free:
                    raise HodorError(f"more than {MAX_OBJECT_ID} colours are no object ids")
                ids[code] = min(free)
        self._ids.update(ids)
        return {code: self._ids[code] for code in codes}

    @property
    def is_new(self) -> bool:
        """Whether no colour but black means something yet."""
        return len(self._ids) == 1

    def know_all(self, codes: Sequence[int]) -> bool:
        """Whether these colours have ids already, or are the first ones and in one known palette."""
        return self._ids.keys() >= set(codes) or (self.is_new and _palette_with(codes) is not None)


def colour_name(code: int) -> str:
    """What to call R << 16 | G << 8 | B: "red", or "#00ff00"."""
    return _NAMES.get(code, f"#{code:06x}")


def _palette_with(codes: Sequence[int]) -> dict[int, int] | None:
    """The first known palette that has all of these colours, as {colour: id}."""
    return next((ids for ids in ids_by_colour() if ids.keys() >= set(codes)), None)
