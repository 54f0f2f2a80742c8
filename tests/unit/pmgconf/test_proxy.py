"""`http_proxy` taken apart. The expected parts are those of Perl's URI module, which PMG uses."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.proxy import proxy_of

PARTS = {
    "http://proxy:3128/": "host=proxy port=3128",
    "http://proxy": "host=proxy port=80",
    "http://Proxy.Example:8080": "host=Proxy.Example port=8080",
    "http://proxy:port/": "host=proxy:port port=80",
    "http://proxy:/": "host=proxy: port=80",
    "http://h:080/": "host=h port=080",
    "http://h:1:2/": "host=h:1 port=2",
    "http://h:99999999": "host=h port=99999999",
    "http://u:p@h": "host=h port=80 username=u password=p",
    "http://u:pa%3Ass@h": "host=h port=80 username=u password=pa%3Ass",
    "http://u@h": "host=h port=80 username=u",
    "http://u:@h:1": "host=h port=1 username=u password=",
    "http://:p@h": "host=h port=80 username= password=p",
    "http://@h": "host=h port=80",
    "http://0@h": "host=h port=80",
    "http://u:0@h": "host=h port=80 username=u password=0",
    "http://u:p@q@h:8": "host=h port=8 username=u password=p@q",
    "http://a@b:c@d:5": "host=d port=5 username=a@b password=c",
    "http://us er:pä[ss@h": "host=h port=80 username=us%20er password=p%C3%A4%5Bss",
    "http://": "",
    "http:///": "",
    "http://0": "",
    "http://0:u@0:1": "",
    "http://[::1]:3128/": "host=::1 port=3128",
    "http://[::1]": "host=::1 port=80",
    "http://[a]b": "host=[a]b port=80",
    "http://[]": "",
    "http://h?x:9": "host=h port=80",
    "http://h#f": "host=h port=80",
    "http://h/%zz": "host=h port=80",
    "http://a b:1": "host=a b port=1",
    "http://a%41b": "host=aAb port=80",
    "http://h%": "host=h% port=80",
    'http://h"q': 'host=h"q port=80',
    "http://host_name:3": "host=host_name port=3",
    "http://pröxy:1/": "host=xn--prxy-1ha1f port=1",
    "http://PRÖXY.ex:1/": "host=xn--prxy-hda3y.ex port=1",
    "http://ö.": "host=xn--tbaz. port=80",
    "http://ß..": "host=ß.. port=80",
    "http://xn--ß": "host=xn--ß port=80",
    "http://" + "ö" * 60: "host=" + "ö" * 60 + " port=80",
}


def parts(url: str) -> str:
    return " ".join(f"{name}={value}" for name, value in (proxy_of(url) or {}).items())


@pytest.mark.parametrize("url", PARTS)
def test_the_parts_of_a_proxy(url: str) -> None:
    assert parts(url) == PARTS[url]


URI = r"""
use URI;
for my $text (@ARGV) {
    my $uri = URI->new($text);
    my ($host, $login) = ($uri->host, $uri->userinfo);
    if ($host) {
        my ($user, $password) = $login ? split(/:/, $login, 2) : ();
        print "host=$host port=", $uri->port, defined $user ? " username=$user" : "",
            defined $password ? " password=$password" : "";
    }
    print "\n";
}
"""


@pytest.mark.skipif(
    shutil.which("perl") is None
    or subprocess.run(["perl", "-MURI", "-e1"], capture_output=True, check=False).returncode != 0,
    reason="needs Perl with URI",
)
def test_uri_says_so() -> None:
    said = subprocess.run(["perl", "-e", URI, *PARTS], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == list(PARTS.values())


def test_no_option_is_no_proxy() -> None:
    assert proxy_of(None) is None
    assert proxy_of("ftp://proxy") is None


@given(st.binary())
def test_any_bytes_have_parts_or_none(data: bytes) -> None:
    proxy = proxy_of("http://" + data.decode("utf-8", "surrogateescape"))
    assert proxy is None or proxy["host"]
