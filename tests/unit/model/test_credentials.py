"""What looks like a credential in a line of a service file or a template."""

import pytest

from pmgsync.model.credentials import MASK, mask_credentials

KEY = "0a1b2c3d4e5f60718293a4b5"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "smtp_sasl_password_maps = static:user:hunter2",
            f"smtp_sasl_password_maps = static:{MASK}",
        ),
        (
            "maps = hash:/x, static:{user:hunter 2}, hash:/y",
            f"maps = hash:/x, static:{MASK}, hash:/y",
        ),
        ("maps = inline:{{[h]:25=u:hunter2}, a=b}", f"maps = inline:{{{MASK}}}"),
        ("maps = inline:{ {h = u:hunter,2} } hash:/y", f"maps = inline:{{{MASK}}} hash:/y"),
        ("maps = inline:{ {h = u:hunter2},", f"maps = inline:{{{MASK}}},"),
        ("    {[h]:587 = user:hunter2} }", f"    {{[h]:587 = {MASK}"),
        (
            f"DatabaseCustomURL https://h.example/get/{KEY}/x.ndb",
            f"DatabaseCustomURL https://h.example/get/{MASK}/x.ndb",
        ),
        (
            "PrivateMirror https://h.example/x?key=hunter2&v=1",
            f"PrivateMirror https://h.example/x?key={MASK}&v={MASK}",
        ),
        ("bind_pw = hunter2", f"bind_pw = {MASK}"),
        ("bayes_sql_pasword hunter2", f"bayes_sql_pasword {MASK}"),
        ("HTTPProxyPasswort hunter2", f"HTTPProxyPasswort {MASK}"),
    ],
)
def test_a_secret_is_masked(line: str, shown: str) -> None:
    assert mask_credentials(line) == shown
    assert "hunter" not in shown


@pytest.mark.parametrize(
    "line",
    [
        "relay_recipient_maps = static:ok",
        "check_sender_access inline:{example.com=reject}",
        "relay_transport = relay:[192.0.2.25]:25",
        "  -o { smtpd_tls_security_level = none }",
        "DatabaseMirror database.clamav.net",
        "see https://docs.example/a-rather-long-name-of-a-page/index.html",
        "https://docs.example/2026/a_page_2026_with_a_long_name.html",
        "transport_maps = hash:/etc/pmg/transport",
    ],
)
def test_what_is_none_is_shown(line: str) -> None:
    assert mask_credentials(line) == line


@pytest.mark.parametrize("text", ["inline:{:", "static:{:", "http://a/0a", "{=:", "http://?="])
def test_no_line_takes_long(text: str) -> None:
    assert mask_credentials(text * (4000 // len(text))) is not None
