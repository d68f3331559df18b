"""SOAP as cameras speak it: tokens, faults, and documents that must not bite."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError, soap

XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=80)


def wrap(body, header=""):
    return f'<e:Envelope xmlns:e="x"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>'.encode()


def test_the_digest_of_the_onvif_programmers_guide():
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert soap.password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


@given(user=XML_TEXT, password=XML_TEXT, nonce=st.binary(min_size=16, max_size=16))
def test_a_token_proves_the_password_and_does_not_hold_it(user, password, nonce):
    created = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    document = soap.envelope("<a/>", soap.username_token(user, password, nonce, created))
    token = soap.child(soap.parse(document), "Header", "Security", "UsernameToken")
    stamp = soap.text(token, "Created")
    assert stamp == "2026-02-03T04:05:06.000Z"
    assert base64.b64decode(soap.text(token, "Nonce")) == nonce
    assert soap.text(token, "Password") == soap.password_digest(nonce, stamp, password)
    assert soap.text(token, "Username") == user.strip()


def test_a_fault_carries_its_codes_and_its_reason():
    nested = "<e:Subcode><e:Value>ter:NotAuthorized</e:Value></e:Subcode>"
    reason = "<e:Reason><e:Text>Sender\n not authorized</e:Text></e:Reason>"
    with pytest.raises(soap.SoapFault) as fault:
        soap.body_of(wrap(f"<e:Fault><e:Code><e:Value>e:Sender</e:Value>{nested}</e:Code>{reason}</e:Fault>"))
    assert fault.value.codes == ("Sender", "NotAuthorized")
    assert str(fault.value) == "Sender not authorized"
    assert fault.value.not_authorized


def test_an_old_fault_is_read_too_and_another_reason_is_not_about_the_user():
    with pytest.raises(soap.SoapFault) as fault:
        soap.body_of(wrap("<Fault><faultcode>s:Server</faultcode><faultstring>Out of memory</faultstring></Fault>"))
    assert (fault.value.codes, str(fault.value)) == (("Server",), "Out of memory")
    assert not fault.value.not_authorized


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "http://192.0.2.1/x.dtd"><a/>', "DOCTYPE"),
        (b"<a>", "no XML"),
        (b"", "no XML"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "no XML"),
        (b"<a>" * 100 + b"</a>" * 100, "deeper than 64"),
        (b"<a>" + b" " * soap.DOCUMENT_BYTES_MAX + b"</a>", "more than 1048576"),
    ],
    ids=["entity", "outside DTD", "cut", "empty", "encoding", "deep", "large"],
)
def test_a_document_that_could_bite_is_refused(document, why):
    with pytest.raises(FrameError, match=why):
        soap.parse(document)


def test_a_document_as_deep_as_its_size_allows_is_refused_too():
    with pytest.raises(FrameError):
        soap.parse(b"<a>" * 140_000 + b"</a>" * 140_000)


def test_prefixes_that_a_camera_forgot_to_declare_are_read_past():
    document = (
        b'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><tptz:StopResponse q:a="1"/></s:Body></s:Envelope>'
    )
    assert soap.local(soap.body_of(document)) == "StopResponse"


@pytest.mark.parametrize("document", [b"<a/>", wrap(""), b"<Envelope><Header/></Envelope>"])
def test_what_is_no_message_is_refused(document):
    with pytest.raises(FrameError, match="no SOAP message"):
        soap.body_of(document)


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_worse(data):
    with pytest.raises((FrameError, soap.SoapFault)):
        soap.body_of(data)
