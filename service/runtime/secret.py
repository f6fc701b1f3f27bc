"""Text that is never printed: passwords and keys."""


class SecretStr:
    """A text that is never printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Whether the texts are equal."""
        return isinstance(other, SecretStr) and other._text == self._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)

    def __len__(self) -> int:
        """Return the text's length; an empty text is false."""
        return len(self._text)

    def __repr__(self) -> str:
        """Hide the text."""
        return "SecretStr('**********')"

    __str__ = __repr__
