"""Lines of NUT: the examples of its developer guide (section "Network protocol information"), cuts, noise, secrets."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError, nut
from tests.fuzz.targets import nut as fuzz

LISTED = (
    b"BEGIN LIST VAR su700\n"
    b'VAR su700 ups.mfr "APC"\n'
    b'VAR su700 ups.mfr.date "10/17/96"\n'
    b'VAR su700 ups.model "SMART-UPS \\"700\\" \\\\ x"\n'
    b"END LIST VAR su700\n"
)
VALUES = {"ups.mfr": "APC", "ups.mfr.date": "10/17/96", "ups.model": 'SMART-UPS "700" \\ x'}


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (nut.ListVariables("su700"), b"LIST VAR su700\n"),
        (nut.GetVariable("su700", "ups.status"), b"GET VAR su700 ups.status\n"),
        (nut.ListUps(), b"LIST UPS\n"),
        (nut.Username("upsmon"), b"USERNAME upsmon\n"),
        (nut.Password('a "b\\'), b'PASSWORD "a \\"b\\\\"\n'),
        (nut.Login("su700"), b"LOGIN su700\n"),
        (nut.Logout(), b"LOGOUT\n"),
    ],
)
def test_requests_as_the_guide_has_them(request_, line):
    assert nut.encode_request(request_) == line
    assert nut.decode_request(line.decode().rstrip()) == request_


def test_a_list_is_read_and_would_be_written_the_same():
    reply = nut.ReplyParser(nut.ListVariables("su700")).feed(LISTED)
    assert reply == nut.Variables("su700", VALUES)
    assert nut.encode_reply(reply) == LISTED


@pytest.mark.parametrize(
    ("request_", "answer", "reply"),
    [
        (
            nut.GetVariable("su700", "ups.status"),
            b'VAR su700 ups.status "OL"\n',
            nut.Variable("su700", "ups.status", "OL"),
        ),
        (nut.ListUps(), b'BEGIN LIST UPS\nUPS su700 "A b"\nEND LIST UPS\n', nut.UpsList({"su700": "A b"})),
        (nut.Logout(), b"OK Goodbye\n", nut.Done()),
        (nut.Login("su700"), b"OK\r\n", nut.Done()),
        (nut.ListVariables("su700"), b"ERR DATA-STALE\n", nut.Refused("DATA-STALE")),
        (nut.Login("su700"), b"ERR ACCESS-DENIED\n", nut.Refused("ACCESS-DENIED")),
    ],
)
def test_other_answers(request_, answer, reply):
    assert nut.ReplyParser(request_).feed(answer) == reply


def test_what_is_no_part_of_the_answer_is_counted_and_passed_by():
    parser = nut.ReplyParser(nut.ListVariables("su700"))
    assert parser.feed(b'VAR su700 late "1"\nOK\nBEGIN LIST VAR other\nVAR other a "1"\nEND LIST VAR other\n') is None
    assert parser.discarded > 40
    assert parser.feed(b'VAR su700 "broken\n' + LISTED) == nut.Variables("su700", VALUES)


def test_a_list_without_an_end_is_bounded():
    parser = nut.ReplyParser(nut.ListVariables("su700"))
    endless = b"BEGIN LIST VAR su700\n" + b"".join(b'VAR su700 v%d ""\n' % at for at in range(nut.VARIABLES_MAX + 1))
    with pytest.raises(FrameError, match="more than 1024"):
        parser.feed(endless)


def test_a_line_without_an_end_is_bounded_and_the_next_one_is_read():
    lines = nut.Lines()
    assert lines.feed(b"x" * 5000) == []
    assert lines.feed(b"x" * 5000 + b"\nOK\n") == ["OK"]
    assert lines.discarded == 10001
    assert not lines.partial


@given(st.lists(st.integers(1, len(LISTED) - 1)))
def test_cuts_do_not_matter(cuts):
    parser = nut.ReplyParser(nut.ListVariables("su700"))
    edges = [0, *sorted(set(cuts)), len(LISTED)]
    replies = [parser.feed(LISTED[a:b]) for a, b in pairwise(edges)]
    assert replies[-1] == nut.Variables("su700", VALUES)
    assert replies[:-1] == [None] * (len(edges) - 2)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)


@given(st.lists(words, max_size=5))
def test_words_come_out_as_they_went_in(some):
    assert nut.split(" ".join(nut.quote(word) for word in some)) == some


@given(ups=words.filter(bool), values=st.dictionaries(words.filter(bool), words, max_size=5))
def test_variables_come_out_as_they_went_in(ups, values):
    reply = nut.Variables(ups, values)
    assert nut.ReplyParser(nut.ListVariables(ups)).feed(nut.encode_reply(reply)) == reply


@pytest.mark.parametrize("word", ["a\nLOGOUT", "a\r"])
def test_a_word_cannot_become_a_second_command(word):
    with pytest.raises(ValueError, match="end of a line"):
        nut.encode_request(nut.Username(word))
    with pytest.raises(ValueError, match="end of a line"):
        nut.encode_reply(nut.UpsList({"a": word}))


def test_a_monitor_tells_lines_and_no_password():
    sniffer = nut.Sniffer()
    seen = [*sniffer.feed(b"USERNAME me\nPASSW"), *sniffer.feed(b'ORD "secret word"\nERR ACCESS-DENIED\nhalf')]
    seen += sniffer.idle()
    assert [(one.text, one.ok) for one in seen] == [
        ("USERNAME me", True),
        ("PASSWORD ...", True),
        ("ERR ACCESS-DENIED", True),
        ("half", False),
    ]
    assert "secret" not in repr(nut.Password("secret"))


@given(st.one_of(st.binary(max_size=200), st.sampled_from(fuzz.SEEDS)))
def test_the_fuzz_target_holds(data):
    fuzz.target(data)
