"""Networks as PMG writes them. The expected forms are Net::IP's, which PMG uses."""

import shutil
import subprocess
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.networks import bracketed, in_full, masked, short, single

MASKED = {
    "10.1.2.3/8": "10.0.0.0/8",
    "10.0.0.0/016": "10.0.0.0/16",
    "10.0.0.0/0000000000000000000016": "10.0.0.0/16",
    "0.0.0.0/0": "0.0.0.0/0",
    "10.0.0.0/00": "0.0.0.0/0",
    "1.2.3.4/32": "1.2.3.4/32",
    "10.0.0.0/33": "",
    "10.0.0.0/99999999999999999999": "",
    "::/0": "[::]/0",
    "8000::1/1": "[8000::]/1",
    "2001:db8::/129": "",
    "FE80::1/10": "[fe80::]/10",
    "2001:DB8::ABCD/127": "[2001:db8::abcc]/127",
    "::ffff:1.2.3.4/128": "[::ffff:102:304]/128",
    "::ffff:1.2.3.4/96": "[::ffff:0:0]/96",
    "2001:db8:0:0:1:0:0:1/128": "[2001:db8::1:0:0:1]/128",
    "0:0:1:1:0:0:1:1/128": "[0:0:1:1::1:1]/128",
    "1:0:1:1:1:1:1:1/128": "[1:0:1:1:1:1:1:1]/128",
    "1:0:0:1:1:1:0:0/128": "[1::1:1:1:0:0]/128",
    "0:0:1:1:1:1:0:0/128": "[::1:1:1:1:0:0]/128",
    "1::3:4:5:6:7:8/128": "[1:0:3:4:5:6:7:8]/128",
    "1:2:3:4:5:6::/128": "[1:2:3:4:5:6::]/128",
    "1:2:3:4:5:6:7::/128": "",
    "::2:3:4:5:6:7:8/128": "",
    "::2:3:4:5:6:1.2.3.4/128": "",
    "::3:4:5:6:1.2.3.4/128": "[::3:4:5:6:102:304]/128",
    "": "",
    "10.0.0.0": "",
    "host/24": "",
    "fe80::1%eth0/64": "",
}


@pytest.mark.parametrize(("network", "written"), MASKED.items())
def test_host_bits_are_cut(network: str, written: str) -> None:
    assert masked(network) == written


NET_IP = r"""
use Net::IP;
for my $cidr (@ARGV) {
    my ($address, $bits) = split m{/}, $cidr;
    my $ip = Net::IP->new($address);
    my $mask = $ip && Net::IP::ip_get_mask($bits, $ip->version);
    my $net = $mask && Net::IP->new(
        Net::IP::ip_bintoip($ip->binip & $mask, $ip->version) . "/$bits");
    my $six = $net && $net->version == 6;
    print !$net ? "" : $six ? "[" . $net->short . "]/" . $net->prefixlen : $net->prefix, "\n";
}
"""


@pytest.mark.skipif(
    shutil.which("perl") is None
    or subprocess.run(["perl", "-MNet::IP", "-e1"], capture_output=True, check=False).returncode
    != 0,
    reason="needs Perl with Net::IP",
)
def test_net_ip_says_so() -> None:
    networks = [network for network in MASKED if "/" in network and network[0] in "0123456789:8F"]
    command = ["perl", "-e", NET_IP, *networks]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [MASKED[network] for network in networks]


@given(st.ip_addresses(v=6))
def test_the_short_form_is_the_same_address(address: IPv6Address) -> None:
    assert IPv6Address(short(address)) == address


@given(st.binary(max_size=30))
def test_no_text_makes_it_raise(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert single(text) == "" or masked(single(text).translate({ord("["): "", ord("]"): ""}))
    masked(text)
    bracketed(text)


@pytest.mark.parametrize(
    ("address", "network", "host"),
    [
        ("192.0.2.1", "192.0.2.1/32", "192.0.2.1"),
        ("2001:DB8::01", "[2001:DB8::01]/128", "[2001:DB8::01]"),
        ("mail.example.com", "", "mail.example.com"),
        ("999.1.1.1", "", "999.1.1.1"),
        ("", "", ""),
    ],
)
def test_single_addresses_stay_as_they_are_spelled(address: str, network: str, host: str) -> None:
    assert (single(address), bracketed(address)) == (network, host)


def test_a_route_is_written_in_full() -> None:
    assert in_full(IPv4Network("192.0.2.0/24")) == "192.0.2.0/24"
    assert in_full(IPv6Network("2001:db8::/64")) == "[2001:0db8:0000:0000:0000:0000:0000:0000]/64"
