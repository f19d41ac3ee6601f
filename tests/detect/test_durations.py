import pytest

from mfagap.detect.durations import seconds, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0s", 0), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), (" 5m ", 300)],
)
def test_seconds(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "5w", "1h30m", "9999999999s", "٣m"]
)
def test_no_duration(text: str) -> None:
    with pytest.raises(
        ValueError, match="is no duration; write it as 90s, 15m, 12h or 7d"
    ) as caught:
        seconds(text)
    assert str(caught.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (90, "90s"),
        (3600, "1h"),
        (86_400, "1d"),
        (90_000, "25h"),
    ],
)
def test_words(duration: int, expected: str) -> None:
    assert words(duration) == expected
    assert seconds(words(duration)) == duration
