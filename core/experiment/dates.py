"""Days and times: as they are stored, and as people read them where this program runs."""

from datetime import UTC, datetime


def as_time(text: str) -> datetime:
    """The time in ISO 8601, in UTC where it names no other. Raises `ValueError`."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(at: str) -> str:
    """4 Nov 2026, of a time in ISO 8601. Raises `ValueError`."""
    when = datetime.fromisoformat(at).astimezone()
    return f"{when.day} {when:%b %Y}"


def day_and_time(at: str) -> str:
    """24 Nov, 07:01; the year where it is another one. What is no time stands as it is."""
    try:
        when = datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError):
        return at
    year = "" if when.year == datetime.now().year else f" {when.year}"
    return f"{when.day} {when:%b}{year}, {when:%H:%M}"
