"""AT: any bytes as an answer to each command, any line as its content."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import at_modem as at

COMMANDS = (at.HELLO, at.SIGNAL, at.EXTENDED_SIGNAL, at.REGISTRATION, at.OPERATOR, at.SIM)
SEEDS = [
    b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n",
    b"\r\n+CESQ: 99,99,255,255,20,43\r\n\r\nOK\r\n",
    b'\r\n+CREG: 1,"1A2B","0C3D4E5F",7\r\n\r\n+CREG: 2,1\r\n\r\nOK\r\n',
    b'\r\n+COPS: 0,0,"CHINA MOBILE",7\r\n\r\nOK\r\n',
    b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n\r\n+CME ERROR: 10\r\n",
]


def target(data: bytes) -> None:
    half = len(data) // 2
    for command in COMMANDS:
        parser = at.ReplyParser(command)
        try:
            reply = parser.feed(data[:half]) or parser.feed(data[half:])
        except FrameError:
            assert len(data) > at.ANSWER_BYTES_MAX
            continue
        assert len(parser._cutter._buffer) <= at.LINE_BYTES_MAX
        if reply is None:
            continue
        _content(command, reply)
        again = at.ReplyParser(command).feed(at.encode_reply(command, reply))
        assert again == reply
    sniffer = at.Sniffer()
    seen = [*sniffer.feed(data[:half]), *sniffer.feed(data[half:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    assert all(one.text.isprintable() for one in seen)


def _content(command: at.Command, reply: at.Reply) -> None:
    at.sim_state(reply)
    if not isinstance(reply, at.Answer):
        return
    assert bool(reply.lines) == bool(command.answer)
    at.registration(reply.lines)
    for line in reply.lines:
        dbm = at.signal_dbm(line)
        assert dbm is None or -113 <= dbm <= -51
        at.extended_signal(line)
        at.operator(line)
