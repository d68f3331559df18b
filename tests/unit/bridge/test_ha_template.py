"""Value templates of devices: the subset that is read, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_template import NOTHING, STEPS_MAX, TEMPLATE_CHARS_MAX, parse, parse_command


@pytest.mark.parametrize(
    ("template", "payload", "said"),
    [
        ("{{ value }}", "ON", "ON"),
        ("{{value}}", "{", "{"),
        ("{{ value_json.POWER }}", '{"POWER": "ON"}', "ON"),
        ("{{value_json['ENERGY'].Power}}", '{"ENERGY": {"Power": 12.5}}', "12.5"),
        ('{{ value_json["temperature"] }}', '{"temperature": -3}', "-3"),
        ("{{ value_json.list[1] }}", '{"list": [7, 8]}', "8"),
        ("{{ value_json['a b'] }}", '{"a b": "驿站"}', "驿站"),
        ("{{ value_json.contact }}", '{"contact": true}', "True"),
        ("{{ value_json.contact }}", '{"contact": null}', "None"),
        ("{{ value_json }}", "21", "21"),
        ("{{ value | float }}", "21", "21.0"),
        ("{{ value_json.t | float | round(1) }}", '{"t": "21.456"}', "21.5"),
        ("{{ value_json.t|int }}", '{"t": 21.9}', "21"),
        ("{{ value_json.t | is_defined }}", '{"t": 1}', "1"),
        ("{{- value_json.t -}}", '{"t": 1}', "1"),
        ("{%if value_json.output%}on{%else%}off{%endif%}", '{"output": true}', "on"),
        ("{%if value_json.output%}on{%else%}off{%endif%}", '{"output": false}', "off"),
        ("{%if value_json.output%}on{%else%}off{%endif%}", "{}", "off"),
        ("{% if value_json.state == 'LOCK' %}LOCKED{% else %}UNLOCKED{% endif %}", '{"state": "LOCK"}', "LOCKED"),
        ("{% if value_json.n != 0 %} yes {% else %} no {% endif %}", '{"n": 0}', "no"),
        ("{% if value == 'x' %}a{% else %}b{% endif %}", "x", "a"),
        ("{% if value_json.on == true %}a{% else %}b{% endif %}", '{"on": true}', "a"),
        ("{% if value_json.on == None %}a{% else %}b{% endif %}", '{"on": null}', "a"),
    ],
)
def test_a_template_is_read_as_devices_mean_it(template, payload, said):
    assert parse(template).render(payload) == said


@pytest.mark.parametrize("payload", ["{}", '{"a": 1}', '{"a": {"b": {}}}', '{"a": {"b": [1]}}', "7", '{"a": [1]}'])
def test_a_path_that_leads_nowhere_says_nothing(payload):
    assert parse("{{ value_json.a.b }}").render(payload) is NOTHING


@pytest.mark.parametrize(
    "template",
    [
        "",
        "ON",
        "{{ value_json.a + 1 }}",
        "{{ value_json.a | default(0) }}",
        "{{ value_json.a | int(0) }}",
        "{{ value_json.a | float(0) }}",
        "{{ values }}",
        "{{ states('lock.door') }}",
        "{{ value_json.a }} {{ value_json.b }}",
        "{{ value_json.__class__() }}",
        "{% for x in value_json %}{{ x }}{% endfor %}",
        "{% if value_json.a %}on{% endif %}",
        "{% if value_json.a and value_json.b %}on{% else %}off{% endif %}",
        "{% if value_json.a %}{{ value }}{% else %}off{% endif %}",
        "{{ value" + "_json.a" * TEMPLATE_CHARS_MAX + " }}",
        "{{ value_json" + ".a" * (STEPS_MAX + 1) + " }}",
    ],
)
def test_what_is_beyond_the_subset_is_refused_and_not_guessed(template):
    with pytest.raises(FrameError, match="beyond"):
        parse(template)


@pytest.mark.parametrize("payload", ["no json", "", "[" * 50000, '{"t": "warm"}', '{"t": null}', '{"t": 1e999}'])
def test_a_payload_that_has_no_number_is_an_error_and_never_a_default(payload):
    with pytest.raises(FrameError):
        parse("{{ value_json.t | int }}").render(payload)


def test_a_command_may_be_wrapped_in_a_text():
    assert parse_command('{"state": "{{ value }}"}')("LOCK") == '{"state": "LOCK"}'
    assert parse_command("{{value}}")("7") == "7"


@pytest.mark.parametrize(
    "template", ["LOCK", "{{ value | upper }}", "{{ code }}{{ value }}", "{% if 1 %}{{ value }}{% endif %}"]
)
def test_a_command_template_beyond_the_subset_is_refused(template):
    with pytest.raises(FrameError, match="beyond"):
        parse_command(template)


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_is_refused(text):
    try:
        template = parse("{{" + text + "}}")
    except FrameError:
        return
    try:
        assert template.render("{}") is NOTHING or isinstance(template.render("{}"), str)
    except FrameError:
        return
