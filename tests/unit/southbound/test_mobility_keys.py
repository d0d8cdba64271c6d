# SPDX-License-Identifier: Apache-2.0
"""The file of keys: who shares which, and what is said of a file that is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from southbound.codec.authenticator import OPTION_OCTETS, pair_key
from southbound.mobility_authentication import MobilityAuthentication
from southbound.mobility_keys import MobilityKeysError, judge_mobility_keys, read_mobility_authentication
from tests.support.domains import TOPOLOGY
from topology.load import parse_topology
from topology.model import Domain

ONE, TWO, THREE = ("11" * 32, "22" * 32, "3A" * 32)


def domain_of(mag2: str = "") -> Domain:
    text = TOPOLOGY.read_text(encoding="utf-8")
    text = text.replace("  dialect: draft", "  mobility_key_file: mobility.keys\n  dialect: draft", 1)
    return parse_topology(text.replace("  - id: mag2\n", f"  - id: mag2\n{mag2}", 1), "topology.yaml")


DOMAIN = domain_of()
MAG1, MAG2, LMA = *DOMAIN.mags, DOMAIN.lma


def read(folder: Path, text: str | bytes, node: str = "mag1", domain: Domain = DOMAIN) -> MobilityAuthentication:
    (folder / "mobility.keys").write_bytes(text.encode() if isinstance(text, str) else text)
    found = read_mobility_authentication(domain, domain.mag(node) or domain.lma, folder / "topology.yaml")
    assert found is not None
    return found


def problem(folder: Path, text: str | bytes, node: str = "mag1") -> str:
    with pytest.raises(MobilityKeysError) as caught:
        read(folder, text, node)
    assert not any(key in str(caught.value) for key in (ONE, TWO, THREE))
    message = str(caught.value).removeprefix("domain.mobility_key_file: ")
    return message.replace(str(folder / "mobility.keys"), "FILE")


def test_without_a_file_nothing_is_authenticated(tmp_path: Path) -> None:
    plain = parse_topology(TOPOLOGY.read_text(encoding="utf-8"), "topology.yaml")
    assert read_mobility_authentication(plain, plain.lma, tmp_path / "topology.yaml") is None


def test_every_pair_derives_its_key_from_that_of_the_domain(tmp_path: Path) -> None:
    text = f"# made on Monday\n\n{ONE}   # in use\n{TWO}\n"
    lma, mag1, mag2 = (read(tmp_path, text, node) for node in ("lma", "mag1", "mag2"))
    assert lma.keys[MAG1.address] == mag1.keys[LMA.address]
    assert lma.keys[MAG2.address] == mag2.keys[LMA.address]
    assert mag1.keys[MAG2.address] == mag2.keys[MAG1.address]
    assert mag1.keys[MAG2.address] == tuple(pair_key(bytes.fromhex(k), MAG1.address, MAG2.address) for k in (ONE, TWO))
    assert set(mag1.keys) == {LMA.address, MAG2.address}
    assert mag1.octets(LMA.address) == OPTION_OCTETS


def test_a_pair_with_a_line_of_its_own_derives_nothing(tmp_path: Path) -> None:
    text = f"{ONE}\nlma mag1 {TWO}\nmag1 lma {THREE}\n"
    lma = read(tmp_path, text, "lma")
    assert lma.keys[MAG1.address] == (bytes.fromhex(TWO), bytes.fromhex(THREE))
    assert lma.keys[MAG2.address] == (pair_key(bytes.fromhex(ONE), LMA.address, MAG2.address),)
    assert read(tmp_path, text).keys[LMA.address] == lma.keys[MAG1.address]


def test_a_node_needs_its_own_pairs_alone(tmp_path: Path) -> None:
    """So that a MAG in strange hands has no keys of others."""
    text = f"lma mag1 {ONE}\nmag1 mag2 {TWO}\n"
    assert len(read(tmp_path, text).keys) == 2
    assert problem(tmp_path, text, "mag2") == (
        "found no key of mag2 with lma in FILE; allowed: a line for each pair of nodes, or a key of the domain"
    )
    assert problem(tmp_path, "# nothing yet\n") == (
        "found no key of mag1 with lma, mag2 in FILE; allowed: a line for each pair of nodes, or a key of the domain"
    )


def test_a_mag_of_another_make_is_left_out(tmp_path: Path) -> None:
    domain = domain_of("    mobility_authentication: false\n")
    lma, mag2 = (read(tmp_path, ONE, node, domain) for node in ("lma", "mag2"))
    assert (set(lma.keys), lma.without) == ({MAG1.address}, {MAG2.address})
    assert (mag2.keys, mag2.without) == ({}, {LMA.address, MAG1.address})
    assert lma.sign(b"as it is", MAG2.address) == lma.open(b"as it is", MAG2.address) == b"as it is"
    assert lma.octets(MAG2.address) == 0


def test_keys_do_not_show_in_what_is_printed(tmp_path: Path) -> None:
    found = read(tmp_path, ONE)
    shown = repr(found) + str(found)
    keys = [key for of_peer in found.keys.values() for key in of_peer]
    assert not any(key.hex() in shown or repr(key) in shown for key in keys)


FORM = "allowed: KEY or NODE NODE KEY, KEY of 64 hexadecimal digits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{ONE}\n{ONE[:-1]}\n", f"FILE:2: found a key of 63 characters; {FORM}"),
        (f"{ONE[:-1]}g\n", f"FILE:1: found a key of 64 characters; {FORM}"),
        (f"mag1 {ONE}\n", f"FILE:1: found 2 words; {FORM}"),
        (f"mag1 mag2 lma {ONE}\n", f"FILE:1: found 4 words; {FORM}"),
        (f"mag1 mag9 {ONE}\n", "FILE:1: found 'mag9'; allowed: one of lma, mag1, mag2"),
        (f"mag1 mag1 {ONE}\n", "FILE:1: found mag1 twice; allowed: two nodes"),
        (f"{ONE}\n{TWO}\n{THREE}\n", "FILE:3: found key 3 of the same nodes; allowed: at most 2, the first one signs"),
        (f"{THREE}\n{THREE.lower()}\n", "FILE:2: found the same key again; allowed: each key once"),
        (f"{ONE}\nlma mag1 {'0' * 64}\n", "FILE:2: found a key of zeros only; allowed: one that nobody can guess"),
        (b"\xef\xbb\xbf" + ONE.encode(), f"FILE:1: found a byte order mark before the line; {FORM}"),
        (b"\xff\n", f"found FILE, which is not UTF-8; {FORM}"),
        (b"#" * (1 << 20) + b"\n", f"found more than 1048576 octets in FILE; {FORM}"),
    ],
)
def test_a_wrong_file_is_told_by_its_line_and_without_its_key(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert problem(tmp_path, text) == message


def judged(folder: Path, text: str, mode: int = 0o600, *, of_all: bool = False, domain: Domain = DOMAIN) -> list[str]:
    file = folder / "mobility.keys"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    told = judge_mobility_keys(domain, folder / "topology.yaml", of_all=of_all)
    return [line.removeprefix("domain.mobility_key_file: ").replace(str(file), "FILE") for line in told]


def test_a_good_file_is_not_talked_about(tmp_path: Path) -> None:
    assert judged(tmp_path, ONE) == judged(tmp_path, ONE, 0o640) == judged(tmp_path, ONE, of_all=True) == []
    left_out = domain_of("    mobility_authentication: false\n")
    assert judged(tmp_path, f"lma mag1 {ONE}", domain=left_out, of_all=True) == []
    plain = parse_topology(TOPOLOGY.read_text(encoding="utf-8"), "topology.yaml")
    assert judge_mobility_keys(plain, tmp_path / "topology.yaml", of_all=True) == []


def test_a_file_that_anybody_can_read_is_warned_of(tmp_path: Path) -> None:
    assert judged(tmp_path, ONE, 0o644) == [
        "FILE has mode 0644, open to anybody on this host; chmod o= FILE"
    ]


def test_keys_for_some_nodes_alone_are_enough_for_their_hosts_and_not_for_a_lab(tmp_path: Path) -> None:
    text = f"lma mag1 {ONE}\nmag1 mag2 {TWO}\n"
    assert judged(tmp_path, text) == ["enough keys for mag1 alone"]
    with pytest.raises(MobilityKeysError, match="no key of lma with mag2"):
        judged(tmp_path, text, of_all=True)
    left_out = domain_of("    mobility_authentication: false\n")
    for nothing in ("", "# later\n", f"mag1 mag2 {ONE}"):
        with pytest.raises(MobilityKeysError, match="no key of lma with mag1"):
            judged(tmp_path, nothing, domain=left_out)


def test_what_no_process_reads_is_refused_before_one_does(tmp_path: Path) -> None:
    with pytest.raises(MobilityKeysError, match="a key of 4 characters"):
        judged(tmp_path, "1234\n")
    with pytest.raises(MobilityKeysError, match="no such file"):
        judge_mobility_keys(DOMAIN, tmp_path / "elsewhere" / "topology.yaml", of_all=True)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MobilityKeysError) as caught:
        read_mobility_authentication(DOMAIN, MAG1, tmp_path / "topology.yaml")
    assert str(caught.value) == (
        f"domain.mobility_key_file: found {tmp_path}/mobility.keys, no such file or directory; "
        "allowed: a file that can be read"
    )
