# SPDX-License-Identifier: Apache-2.0
"""What the operator is told, word for word: one fault at a time, and all of them at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

UNICAST = "an IPv6 unicast address that is not link-local"
SOURCE_ADDRESS = "an IPv6 or IPv4 unicast address that is not link-local"
NODE = "a name of 1 to 15 characters a-z, 0-9 and '-', starting with a letter"
GROUP = "an IPv6 multicast address of scope 3 to e (RFC 7346), or an IPv4 one beyond 224.0.0.0/24"
LLI = "six octets of a unicast MAC address, such as 02:00:00:00:00:11, not 02:ca:57:..."
NAI = (
    "user@realm (RFC 4283): a user of 1 to 10 characters A-Z, a-z, 0-9, '_', '.' and '-' starting with a letter, "
    "a realm such as example.net, at most 253 characters"
)
REST = 'host:port, such as 127.0.0.1:8080 or "[::1]:8080", port 1 to 65535'
ONE_NAME = "a name that no other node has (of a mobile node: the part before '@')"
RESERVED = "lma, lma-transport, controller, transport, wlan0, lo"
PORTS = "lma0, mag0, hob0, src0, br-int, br-phy, mgmt0, phy0, ovs-netdev, ovs-system"
TRANSPORT = "an address in domain.transport_network 2001:db8:ff::/64, not its first"
MANAGEMENT = "an address in domain.management_network fd00:ca57::/64, not its first"
MAG1 = "management_address: fd00:ca57::11\n"
MAG2 = "management_address: fd00:ca57::12\n"
SUBSCRIPTION = "      - group: ff1e::101\n"
SOURCE = "sources:\n  - name: source\n    address: 2001:db8:c0::10"

ONE_VALUE = [
    ("castover: 1", "castover: 2", "2 castover: found 2; allowed: 1, the version of this format"),
    ("castover: 1", "castover: true", "2 castover: found true; allowed: 1, the version of this format"),
    ("castover: 1\n", "", "1 castover: found nothing; allowed: (required) 1, the version of this format"),
    (
        "name: castover ", "name: Castover ",
        "5 domain.name: found 'Castover'; "
        "allowed: a name of 1 to 32 characters a-z, 0-9 and '-', starting with a letter",
    ),
    ("dialect: draft", "dialect: darft", "6 domain.dialect: found 'darft', did you mean draft?; allowed: draft or rfc"),
    (
        "  dialect:", "  option_length_unit: bits\n  dialect:",
        "6 domain.option_length_unit: found 'bits'; allowed: words or octets",
    ),
    (
        "  dialect:", "  dialct: rfc\n  dialect:",
        "6 domain.dialct: found an unknown key, did you mean dialect?; allowed: name, dialect, option_length_unit, "
        "attach_mode, mld_fast_leave, binding_order, gre_key_option, mobility_key_file, lma_gre_key, mag_gre_key, "
        "transport_network, management_network, transport_mtu",
    ),
    (
        "  dialect:", "  mobility_key_file: [secret]\n  dialect:",
        "6 domain.mobility_key_file: found a list; allowed: the name of a file, at most 1024 characters",
    ),
    (
        "    address: 2001:db8:ff::12\n", "    address: 2001:db8:ff::12\n    mobility_authentication: true\n",
        "25 mags[1].mobility_authentication: found true without domain.mobility_key_file; "
        "allowed: false, no key, or a file of keys for the domain",
    ),
    (
        "  dialect:", "  lma_gre_key: 200\n  dialect:",
        "6 domain.lma_gre_key: found 200 for both kinds of tunnel; "
        "allowed: lma_gre_key and mag_gre_key that differ",
    ),
    (
        "  dialect:", "  mag_gre_key: 0\n  dialect:",
        "6 domain.mag_gre_key: found 0; allowed: a whole number from 1 to 4294967295",
    ),
    (
        "transport_network: 2001:db8:ff::/64", "transport_network: 2001:db8:ff::1/64",
        "7 domain.transport_network: found '2001:db8:ff::1/64', with bits set after the prefix; "
        "allowed: an IPv6 unicast network of /16 to /120",
    ),
    (
        "management_network: fd00:ca57::/64", "management_network: fd00:ca57::1",
        "8 domain.management_network: found 'fd00:ca57::1', without a prefix length; "
        "allowed: an IPv6 unicast network of /16 to /120",
    ),
    ("rest: 127.0.0.1:8080", "rest: 8080", f"12 controller.rest: found 8080; allowed: {REST}"),
    ("rest: 127.0.0.1:8080", "rest: ::1:8080", f"12 controller.rest: found '::1:8080'; allowed: {REST}"),
    ("rest: 127.0.0.1:8080", "rest: localhost:0", f"12 controller.rest: found 'localhost:0'; allowed: {REST}"),
    ("rest: 127.0.0.1:8080", "rest: 127.0.0.256:1", f"12 controller.rest: found '127.0.0.256:1'; allowed: {REST}"),
    (
        "rest: 127.0.0.1:8080", "rest: localhost:6653",
        "12 controller.rest: found 6653, already used by controller.openflow_port; "
        "allowed: a port that controller uses once (openflow_port, rpc_port, rest)",
    ),
    (
        "rest: 127.0.0.1:8080", "rpc_port: 65536",
        "12 controller.rpc_port: found 65536; allowed: a whole number from 1 to 65535",
    ),
    ("  address: fd00:ca57::1\n", "  address: fd00:ca58::1\n",
     f"11 controller.address: found fd00:ca58::1, outside the network; allowed: {MANAGEMENT}"),
    ("address: 2001:db8:ff::1\n", "address: ff02::1\n",
     f"16 lma.address: found 'ff02::1', multicast; allowed: {UNICAST}"),
    ("address: 2001:db8:ff::1\n", "address: fe80::1%eth0\n",
     f"16 lma.address: found 'fe80::1%eth0', with a zone; allowed: {UNICAST}"),
    ("address: 2001:db8:ff::1\n", "address: 192.0.2.1\n",
     f"16 lma.address: found '192.0.2.1'; allowed: {UNICAST}"),
    ("address: 2001:db8:ff::1\n", "address: '2001:db8:ff::'\n",
     f"16 lma.address: found 2001:db8:ff::, the subnet-router anycast address; allowed: {TRANSPORT}"),
    (
        "  id: lma\n", "  id: lma\n  transport_datapath_id: 0x1\n",
        "16 lma.transport_datapath_id: found 0x1, already used by lma.datapath_id (derived); "
        "allowed: a number no other switch has",
    ),
    (MAG2, f"{MAG2}    datapath_id: 0x11\n",
     "26 mags[1].datapath_id: found 0x11, already used by mags[0] (derived); allowed: a number no other switch has"),
    (MAG2, f"{MAG2}    datapath_id: 0000000000000012\n",
     "26 mags[1].datapath_id: found '0000000000000012'; "
     "allowed: a number from 0x1 to 0xffffffffffffffff, such as 0x11"),
    (MAG2, f"{MAG2}    dialect: no\n", "26 mags[1].dialect: found 'no'; allowed: draft or rfc"),
    (MAG2, f"{MAG2}    dpid: 1\n",
     "26 mags[1].dpid: found an unknown key, did you mean id?; "
     "allowed: id, address, management_address, datapath_id, dialect, option_length_unit, multicast_context, "
     "binding_order, mobility_authentication, allowed_prefixes, switch"),
    (MAG2, f"{MAG2}    'a\\nb': 1\n",
     "26 mags[1].'a\\\\nb': found an unknown key; allowed: id, address, management_address, datapath_id, "
     "dialect, option_length_unit, multicast_context, binding_order, mobility_authentication, allowed_prefixes, switch"),
    (MAG2, f"{MAG2}    [1]: 1\n", "26 mags[1]: found a key that is a list or a mapping; allowed: plain keys"),
    (MAG2, f"{MAG2}    id: mag3\n",
     "26 mags[1].id: found the key a second time, first on line 23; allowed: each key once"),
    (MAG2, "", f"23 mags[1].management_address: found nothing; allowed: (required) {UNICAST}"),
    (MAG2, "management_address:\n", f"25 mags[1].management_address: found nothing; allowed: (required) {UNICAST}"),
    (MAG2, "management_address: fd00:ca57::11\n",
     "25 mags[1].management_address: found fd00:ca57::11, already used by mags[0]; "
     "allowed: an address that no other node has"),
    ("address: 2001:db8:ff::12", "address: 2001:db8:ff::1",
     "24 mags[1].address: found 2001:db8:ff::1, already used by lma.address; "
     "allowed: an address that no other node has"),
    ("address: 2001:db8:ff::12", "address: 2001:db8:fe::12",
     f"24 mags[1].address: found 2001:db8:fe::12, outside the network; allowed: {TRANSPORT}"),
    ("id: mag2", "id: mag1", f"23 mags[1].id: found 'mag1', already used by mags[0]; allowed: {ONE_NAME}"),
    ("id: mag2", "id: lma-transport",
     f"23 mags[1].id: found the reserved name 'lma-transport'; allowed: a name that is not one of {RESERVED}"),
    ("id: mag2", "id: 7", f"23 mags[1].id: found 7; allowed: {NODE}"),
    ("id: mag2", "id: a-gateway-of-the-north",
     f"23 mags[1].id: found 'a-gateway-of-the-north', 22 characters; allowed: {NODE}"),
    ("id: mn2@example.net", "id: mn2", f"34 mobile_nodes[1].id: found 'mn2'; allowed: {NAI}"),
    ("id: mn2@example.net", "id: mn2@net", f"34 mobile_nodes[1].id: found 'mn2@net'; allowed: {NAI}"),
    ("id: mn2@example.net", "id: elevenchars@example.net",
     f"34 mobile_nodes[1].id: found 'elevenchars@example.net', 11 characters before '@'; allowed: {NAI}"),
    ("id: mn2@example.net", "id: mn1@example.org",
     f"34 mobile_nodes[1].id: found 'mn1', already used by mobile_nodes[0]; allowed: {ONE_NAME}"),
    ("id: mn2@example.net", "id: mag2@example.net",
     f"34 mobile_nodes[1].id: found 'mag2', already used by mags[1]; allowed: {ONE_NAME}"),
    ("id: mn2@example.net", "id: hob0@example.net",
     "34 mobile_nodes[1].id: found the reserved name 'hob0'; "
     f"allowed: a name that is not one of {RESERVED}, {PORTS}"),
    ("02:00:00:00:00:12", "02:00:00:00:00",
     f"35 mobile_nodes[1].link_layer_id: found '02:00:00:00:00'; allowed: {LLI}"),
    ("02:00:00:00:00:12", "03-00-00-00-00-12",
     f"35 mobile_nodes[1].link_layer_id: found '03-00-00-00-00-12', a multicast address; allowed: {LLI}"),
    ("02:00:00:00:00:12", "00:00:00:00:00:00",
     f"35 mobile_nodes[1].link_layer_id: found '00:00:00:00:00:00', all zero; allowed: {LLI}"),
    ("02:00:00:00:00:12", "02:ca:57:00:00:01",
     f"35 mobile_nodes[1].link_layer_id: found '02:ca:57:00:00:01', one of Castover's own; allowed: {LLI}"),
    ("02:00:00:00:00:12", "02-00-00-00-00-11",
     "35 mobile_nodes[1].link_layer_id: found 02:00:00:00:00:11, already used by mobile_nodes[0]; "
     "allowed: a link-layer id that no other mobile node has"),
    ("2001:db8:100:2::/64", "2001:db8:100::/48",
     "36 mobile_nodes[1].home_network_prefix: found '2001:db8:100::/48', a /48; allowed: an IPv6 unicast /64"),
    ("2001:db8:100:2::/64", "2001:db8:100:1::/64",
     "36 mobile_nodes[1].home_network_prefix: found 2001:db8:100:1::/64, already used by mobile_nodes[0]; "
     "allowed: a prefix that no other mobile node has"),
    ("2001:db8:100:2::/64", "2001:db8:ff::/64",
     "36 mobile_nodes[1].home_network_prefix: found 2001:db8:ff::/64, which overlaps domain.transport_network "
     "(2001:db8:ff::/64); allowed: a network apart from all others"),
    ("2001:db8:100:2::/64", "2001:db8:c0::/64",
     "36 mobile_nodes[1].home_network_prefix: found 2001:db8:c0::/64, which overlaps sources[0].address "
     "(2001:db8:c0::/64); allowed: a network apart from all others"),
    ("    home_network_prefix: 2001:db8:100:2::/64\n", "",
     "34 mobile_nodes[1].home_network_prefix: found nothing; allowed: an IPv6 unicast /64, home_network_prefixes, or "
     "lma.home_network_prefix_pool to take one from"),
    ("prefix: 2001:db8:100:2::/64", "prefix: 2001:db8:100:2::/64\n    home_network_prefixes: [2001:db8:100:3::/64]",
     "37 mobile_nodes[1].home_network_prefixes: found a list besides home_network_prefix; allowed: one of the two keys"),
    ("prefix: 2001:db8:100:2::/64", "prefixes: []",
     "36 mobile_nodes[1].home_network_prefixes: found an empty list; allowed: at least one prefix, or no key"),
    ("prefix: 2001:db8:100:2::/64", "prefixes: [2001:db8:100:2::/64, 2001:db8:100:1::/64]",
     "36 mobile_nodes[1].home_network_prefixes[1]: found 2001:db8:100:1::/64, already used by mobile_nodes[0]; "
     "allowed: a prefix that no other mobile node has"),
    ("prefix: 2001:db8:100:2::/64", "prefixes: [2001:db8:100:2::/64, 2001:db8:100:2::/64]",
     "36 mobile_nodes[1].home_network_prefixes[1]: found 2001:db8:100:2::/64, already used by "
     "mobile_nodes[1].home_network_prefixes[0]; allowed: a prefix that no other mobile node has"),
    ("prefix: 2001:db8:100:2::/64", "prefixes: [2001:db8:100:2::/65]",
     "36 mobile_nodes[1].home_network_prefixes[0]: found '2001:db8:100:2::/65', a /65; allowed: an IPv6 unicast /64"),
    ("  management_address: fd00:ca57::f\n",
     "  management_address: fd00:ca57::f\n  home_network_prefix_pool: [2001:db8:100:1::/64]\n",
     "31 mobile_nodes[0].home_network_prefix: found 2001:db8:100:1::/64, which overlaps lma.home_network_prefix_pool[0] "
     "(2001:db8:100:1::/64); allowed: a network apart from all others"),
    (MAG2, MAG2 + "    allowed_prefixes: []\n",
     "26 mags[1].allowed_prefixes: found an empty list; allowed: at least one network, or no key"),
    (MAG2, MAG2 + "    binding_order: sequence\n",
     "26 mags[1].binding_order: found 'sequence', did you mean sequence-numbers?; "
     "allowed: timestamps or sequence-numbers"),
    ("  management_address: fd00:ca57::f\n",
     "  management_address: fd00:ca57::f\n  home_network_prefix_pool: [2001:db8:200::/65]\n",
     "18 lma.home_network_prefix_pool[0]: found '2001:db8:200::/65', a /65; allowed: an IPv6 unicast network of "
     "/16 to /64"),
    ("  management_address: fd00:ca57::f\n",
     "  management_address: fd00:ca57::f\n  home_network_prefix_pool: [2001:db8:200::/48, 2001:db8:200:8000::/49]\n",
     "18 lma.home_network_prefix_pool[1]: found 2001:db8:200:8000::/49, which overlaps lma.home_network_prefix_pool[0] "
     "(2001:db8:200::/48); allowed: a network apart from all others"),
    *(
        ("  management_address: fd00:ca57::f\n",
         f"  management_address: fd00:ca57::f\n  routes: [{{prefix: '{prefix}', via: '{via}'}}]\n", f"18 {problem}")
        for prefix, via, problem in [
            ("::/0", "2001:db8:c1::fe",
             "lma.routes[0].via: found 2001:db8:c1::fe; allowed: an address on a network of the sources "
             "(2001:db8:c0::/64), or a link-local one"),
            ("::/0", "ff02::1",
             "lma.routes[0].via: found 'ff02::1', multicast; allowed: an IPv6 unicast address on a network of the "
             "sources, or a link-local one"),
            ("::/0", "fe80::ca:57ff:feff:ff02",
             "lma.routes[0].via: found 'fe80::ca:57ff:feff:ff02', the LMA's own; allowed: an IPv6 unicast address on a "
             "network of the sources, or a link-local one"),
            ("2001:db8:100:1::/64", "fe80::1",
             "lma.routes[0].prefix: found 2001:db8:100:1::/64, which lies in mobile_nodes[0].home_network_prefix "
             "(2001:db8:100:1::/64); allowed: a network beyond the domain"),
            ("2001:db8:1::/65", "fe80::1",
             "lma.routes[0].prefix: found '2001:db8:1::/65', a /65; allowed: an IPv6 network of /0 to /64 beyond the "
             "domain, such as ::/0"),
            ("ff1e::/16", "fe80::1",
             "lma.routes[0].prefix: found 'ff1e::/16', a multicast one; allowed: an IPv6 network of /0 to /64 beyond "
             "the domain, such as ::/0"),
        ]
    ),
    ("  management_address: fd00:ca57::f\n",
     "  management_address: fd00:ca57::f\n  routes: [{prefix: '::/0', via: 'fe80::1'}, {prefix: '::/0', via: 'fe80::2'}]\n",
     "18 lma.routes[1].prefix: found ::/0, already used by lma.routes[0].prefix; "
     "allowed: a prefix that no other route has"),
    ("address: 2001:db8:c0::10", "address: 2001:db8:ff::10",
     "43 sources[0].address: found 2001:db8:ff::/64, which overlaps domain.transport_network "
     "(2001:db8:ff::/64); allowed: a network apart from all others"),
    ("attached_to: mag1", "attached_to: mag11",
     "31 mobile_nodes[0].attached_to: found 'mag11', did you mean mag1?; allowed: one of mag1, mag2"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags: [mag2]\n",
     "31 mobile_nodes[0].attached_to: found 'mag1', which is not in the node's mags; allowed: one of 'mag2'"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags: [mag1, north]\n",
     "32 mobile_nodes[0].mags[1]: found 'north'; allowed: one of mag1, mag2"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags: []\n",
     "32 mobile_nodes[0].mags: found an empty list; allowed: at least one MAG id, or no key"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags: mag1\n",
     "32 mobile_nodes[0].mags: found 'mag1'; allowed: a list of at most 64 MAG ids"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags: [mag1, mag1]\n",
     "32 mobile_nodes[0].mags[1]: found mag1, already used by mobile_nodes[0].mags[0]; allowed: each entry once"),
    ("attached_to: mag1\n", "attached_to: mag1\n    mags:\n      - mag1\n      -\n",
     "34 mobile_nodes[0].mags[1]: found nothing; allowed: a value after the '-'"),
    ("attached_to: mag1\n", "attached_to: mag1\n    allowed_groups: [ff3e::/32]\n",
     "34 mobile_nodes[0].subscriptions[0].group: found ff1e::101, not in the node's allowed_groups; "
     "allowed: in ff3e::/32"),
    ("attached_to: mag1\n", "attached_to: mag1\n    allowed_groups: ['::/0', ff1e::/16]\n",
     "32 mobile_nodes[0].allowed_groups[0]: found '::/0', not within ff00::/8; "
     "allowed: a network within ff00::/8 or 224.0.0.0/4"),
    (SUBSCRIPTION, "      - group: 2001:db8::1\n",
     f"33 mobile_nodes[0].subscriptions[0].group: found '2001:db8::1', not multicast; allowed: {GROUP}"),
    (SUBSCRIPTION, "      - group: ff02::fb\n",
     f"33 mobile_nodes[0].subscriptions[0].group: found 'ff02::fb', scope 2; allowed: {GROUP}"),
    (SUBSCRIPTION, "      - group: ff3e::101\n",
     "33 mobile_nodes[0].subscriptions[0].group: found ff3e::101 without sources; "
     "allowed: in the SSM range ff3x::/32 at least one source"),
    (SUBSCRIPTION, "      - group: ff3e::101\n        sources: [ff1e::101]\n",
     f"34 mobile_nodes[0].subscriptions[0].sources[0]: found 'ff1e::101', multicast; allowed: {SOURCE_ADDRESS}"),
    (SUBSCRIPTION, "      - group: 224.0.0.251\n",
     f"33 mobile_nodes[0].subscriptions[0].group: found '224.0.0.251', of link scope; allowed: {GROUP}"),
    (SUBSCRIPTION, "      - group: 232.1.1.1\n",
     "33 mobile_nodes[0].subscriptions[0].group: found 232.1.1.1 without sources; "
     "allowed: in the SSM range 232.0.0.0/8 at least one source"),
    (SUBSCRIPTION, "      - group: 232.1.1.1\n        sources: [2001:db8:c0::10]\n",
     "34 mobile_nodes[0].subscriptions[0].sources[0]: found 2001:db8:c0::10; allowed: an IPv4 address, as 232.1.1.1"),
    (SUBSCRIPTION, "      - group: ff3e::101\n        sources: [127.0.0.1]\n",
     f"34 mobile_nodes[0].subscriptions[0].sources[0]: found '127.0.0.1', the loopback address; "
     f"allowed: {SOURCE_ADDRESS}"),
    ("attached_to: mag1\n", "attached_to: mag1\n    allowed_groups: [10.0.0.0/8]\n",
     "32 mobile_nodes[0].allowed_groups[0]: found '10.0.0.0/8', not within 224.0.0.0/4; "
     "allowed: a network within ff00::/8 or 224.0.0.0/4"),
    ("attached_to: mag1\n", "attached_to: mag1\n    ipv4_home_address: 192.0.2.1\n",
     "32 mobile_nodes[0].ipv4_home_address: found '192.0.2.1', without a prefix length; "
     "allowed: an IPv4 unicast address with its prefix length, such as 192.0.2.1/24"),
    ("attached_to: mag1\n", "attached_to: mag1\n    ipv4_home_address: 192.0.2.255/24\n",
     "32 mobile_nodes[0].ipv4_home_address: found '192.0.2.255/24', the network's own or its broadcast address; "
     "allowed: an IPv4 unicast address with its prefix length, such as 192.0.2.1/24"),
    (SUBSCRIPTION, "      - group: ff3e::101\n        sources: 2001:db8:c0::10\n",
     "34 mobile_nodes[0].subscriptions[0].sources: found '2001:db8:c0::10'; allowed: a list of at most 62 addresses"),
    (SUBSCRIPTION, SUBSCRIPTION * 2,
     "34 mobile_nodes[0].subscriptions[1].group: found ff1e::101, already used by "
     "mobile_nodes[0].subscriptions[0].group; allowed: each group once in a mobile node's subscriptions"),
    (SUBSCRIPTION, "".join(f"      - group: ff1e::{i:x}\n" for i in range(51)),
     "32 mobile_nodes[0].subscriptions: found 51 items; allowed: a list of at most 50 subscriptions"),
    (SOURCE, f"{SOURCE}\nlimits: {{groups_per_mobile_node: 0}}",
     "44 limits.groups_per_mobile_node: found 0; allowed: a whole number from 1 to 50"),
    (SOURCE, f"{SOURCE}\nlimits: {{buffer_bytes_total: 9000000}}",
     "44 limits.buffer_bytes_total: found 9000000; "
     "allowed: at least limits.buffer_bytes_per_mobile_node, 33554432"),
    (SOURCE, f"{SOURCE}\nlimits: {{buffer_bytes_per_mobile_node: 9000, buffer_bytes_total: 8000}}",
     "44 limits.buffer_bytes_per_mobile_node: found 9000; allowed: at most limits.buffer_bytes_total, 8000"),
    (SOURCE, f"{SOURCE}\ntimers: {{path_difference_ms: 20}}\nlimits: {{buffer_age_ms: 30}}",
     "45 limits.buffer_age_ms: found 30; allowed: more than timers.cut_wait_ms, 30"),
    (SOURCE, f"{SOURCE}\nlimits: {{buffer_age_ms: 300}}",
     "44 limits.buffer_age_ms: found 300; allowed: more than timers.path_difference_ms, 500"),
    (SOURCE, f"{SOURCE}\ntimers: {{forwarding_lifetime_s: 0.5}}",
     "44 timers.forwarding_lifetime_s: found 0.5; allowed: more than timers.path_difference_ms in seconds, 0.5"),
    (SOURCE, f"{SOURCE}\ntimers: {{path_difference_ms: 5000}}",
     "44 timers.path_difference_ms: found 5000; allowed: less than limits.buffer_age_ms, 5000"),
    (SOURCE, f"{SOURCE}\ntimers: {{path_difference_ms: 9}}",
     "44 timers.path_difference_ms: found 9; allowed: a whole number from 10 to 5000"),
    (SOURCE, f"{SOURCE}\ntimers: {{cut_wait_ms: 2000, context_lifetime_s: 2}}",
     "44 timers.cut_wait_ms: found 2000; allowed: less than timers.context_lifetime_s in milliseconds, 2000"),
    (SOURCE, f"{SOURCE}\ntimers: {{binding_lifetime_s: 10}}",
     "44 timers.binding_lifetime_s: found 10; allowed: a whole number from 4 to 262140, a multiple of 4"),
    (SOURCE, f"{SOURCE}\ntimers: {{context_lifetime_s: .nan}}",
     "44 timers.context_lifetime_s: found nan; allowed: a number from 0.1 to 60"),
    (SOURCE, f"{SOURCE}\ntimers: {{cut_wait_ms: 1.5}}",
     "44 timers.cut_wait_ms: found 1.5; allowed: a whole number from 1 to 5000"),
    (SOURCE, f"{SOURCE}\ntimers: {{cut_wait_ms: {'9' * 90}}}",
     "44 timers.cut_wait_ms: found a number of 299 bits; allowed: a whole number from 1 to 5000"),
    (SOURCE, f"{SOURCE}\ntimers: {{mld_query_response_interval_s: 125}}",
     "44 timers.mld_query_response_interval_s: found 125; allowed: less than timers.mld_query_interval_s, 125"),
    (SOURCE, f"{SOURCE}\ntimers: [cut_wait_ms]", None),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: mag3}}]",
     "44 links[0].node: found 'mag3', did you mean mag2?; allowed: one of lma, mag1, mag2"),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: mag1}}, {{node: mag1}}]",
     "44 links[1].node: found 'mag1', already used by links[0]; allowed: one link for each node"),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: mag1, delay_ms: -1}}]",
     "44 links[0].delay_ms: found -1; allowed: a number from 0 to 10000"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma, mag2], delay_ms: 300}}]",
     "44 links[0].delay_ms: found 300: mag2 to lma takes 300 ms (links[0]); "
     "allowed: a way that is shorter than timers.timestamp_validity_window_ms, 300"),
    (SOURCE, f"{SOURCE}\ntimers: {{timestamp_validity_window_ms: 60000}}\nlinks: [{{between: [lma, mag2], delay_ms: 700}}]",
     "45 links[0].delay_ms: found 700: lma to mag2 takes 700 ms (links[0]), by way of mag1 0 ms; "
     "allowed: ways that differ by at most timers.path_difference_ms, 500"),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: lma, delay_ms: 3}}, {{between: [mag2, mag1], delay_ms: 500.5}}]",
     "44 links[1].delay_ms: found 500.5: lma to mag2 takes 3 ms (links[0]), by way of mag1 503.5 ms "
     "(links[0], links[1]); allowed: ways that differ by at most timers.path_difference_ms, 500"),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: mag1, delay_ms: 251}}]",
     "44 links[0].delay_ms: found 251: lma to mag2 takes 0 ms, by way of mag1 502 ms (links[0]); "
     "allowed: ways that differ by at most timers.path_difference_ms, 500"),
    (SOURCE, f"{SOURCE}\ntimers: {{path_difference_ms: 20}}\nlinks:\n  - {{between: [lma, mag1], delay_ms: 50}}\n"
     "  - {between: [lma, mag2], delay_ms: 20}\n",
     "46 links[0].delay_ms: found 50: lma to mag2 takes 20 ms (links[1]), by way of mag1 50 ms (links[0]); "
     "allowed: ways that differ by at most timers.path_difference_ms, 20"),
    (SOURCE, f"{SOURCE}\nlinks: [mag1]",
     "44 links[0]: found 'mag1'; allowed: a mapping of node, between, delay_ms"),
    (SOURCE, f"{SOURCE}\nlinks: [{{delay_ms: 1}}]",
     "44 links[0]: found neither node nor between; allowed: either node or between"),
    (SOURCE, f"{SOURCE}\nlinks: [{{node: lma, between: [lma, mag1]}}]",
     "44 links[0]: found both node and between; allowed: either node or between"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma]}}]", "44 links[0].between: found one id; allowed: two ids"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma, mag1, mag2]}}]",
     "44 links[0].between: found 3 items; allowed: a list of two ids, of the LMA or of MAGs"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [mag1, mag1]}}]",
     "44 links[0].between: found 'mag1' twice; allowed: two different nodes"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma, mag3]}}]",
     "44 links[0].between[1]: found 'mag3', did you mean mag2?; allowed: one of lma, mag1, mag2"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma, mag1]}}, {{between: [mag1, lma]}}]",
     "44 links[1].between: found lma and mag1, already used by links[0]; allowed: one link for each pair of nodes"),
    (SOURCE, f"{SOURCE}\nlinks: [{{between: [lma, 7]}}]",
     "44 links[0].between[1]: found 7; allowed: the id of the LMA or of a MAG"),
    (SOURCE, "sources:\n  - name: source", f"42 sources[0].address: found nothing; allowed: (required) {UNICAST}"),
]


@pytest.mark.parametrize(("old", "new", "message"), ONE_VALUE)
def test_one_fault_is_one_problem(problems: Any, old: str, new: str, message: str | None) -> None:
    if message is None:
        keys = problems((old, new))
        assert len(keys) == 1
        assert keys[0].startswith("44 timers: found a list; allowed: a mapping of handover_initiate_timeout_ms, ")
    else:
        assert problems((old, new)) == [message]


def test_every_fault_is_told_at_once_and_in_the_order_of_lines(problems: Any) -> None:
    assert problems(
        ("dialect: draft", "dialect: both"),
        ("  rest: 127.0.0.1:8080", "  rpc_port: 6653"),
        ("  id: lma\n", "  id: lma\n  datapath_id: 0x12\n"),
        ("id: mag2", "id: mag1"),
        ("link_layer_id: 02:00:00:00:00:12", "link_layer_id: 02:00:00:00:00:11"),
        ("address: 2001:db8:c0::10", "adress: 2001:db8:c0::10"),
    ) == [
        "6 domain.dialect: found 'both'; allowed: draft or rfc",
        "12 controller.rpc_port: found 6653, already used by controller.openflow_port; "
        "allowed: a port that controller uses once (openflow_port, rpc_port, rest)",
        "16 lma.datapath_id: found 0x12, already used by mags[1] (derived); allowed: a number no other switch has",
        f"24 mags[1].id: found 'mag1', already used by mags[0]; allowed: {ONE_NAME}",
        "36 mobile_nodes[1].link_layer_id: found 02:00:00:00:00:11, already used by mobile_nodes[0]; "
        "allowed: a link-layer id that no other mobile node has",
        f"43 sources[0].address: found nothing; allowed: (required) {UNICAST}",
        "44 sources[0].adress: found an unknown key, did you mean address?; allowed: name, address, prefix_length, "
            "ipv4_address",
    ]


def test_the_cross_checks_run_over_what_is_good(problems: Any) -> None:
    """A refused value neither hides another fault nor makes a second one out of its default."""
    assert problems(
        ("address: 2001:db8:ff::12", "address: nonsense"),
        (MAG1, f"{MAG1}    datapath_id: zero\n"),
        (MAG2, f"{MAG2}    datapath_id: 0x11\n"),
        ("attached_to: mag1", "attached_to: mag3"),
    ) == [
        "23 mags[0].datapath_id: found 'zero'; allowed: a number from 0x1 to 0xffffffffffffffff, such as 0x11",
        f"25 mags[1].address: found 'nonsense'; allowed: {UNICAST}",
        "33 mobile_nodes[0].attached_to: found 'mag3', did you mean mag2?; allowed: one of mag1, mag2",
    ]


def test_one_mag_is_not_enough(problems: Any) -> None:
    only = "  - id: mag2\n    address: 2001:db8:ff::12\n    management_address: fd00:ca57::12\n"
    assert problems((only, "")) == [
        "19 mags: found 1 MAG; allowed: at least 2: a handover needs a previous and a new one"
    ]


def test_too_many_mags_are_one_problem_only(problems: Any) -> None:
    more = [
        {"id": f"more{i}", "address": f"2001:db8:ff::2:{i:x}", "management_address": f"fd00:ca57::2:{i:x}"}
        for i in range(64)
    ]
    text = "".join(f"  - {json.dumps(mag)}\n" for mag in more)
    found = problems((MAG2, MAG2 + text), ("attached_to: mag1", "attached_to: more63"))
    assert found == ["19 mags: found 66 items; allowed: a list of 2 to 64 MAGs"]


def test_the_items_of_a_list_that_is_too_long_are_looked_at(problems: Any) -> None:
    more = "".join(f"  - {json.dumps({'name': f's{i}', 'address': f'2001:db8:1::{i:x}'})}\n" for i in range(1, 65))
    start = SOURCE.removesuffix("    address: 2001:db8:c0::10")
    assert problems((SOURCE + "\n", start + "    address: here\n" + more)) == [
        "41 sources: found 65 items; allowed: a list of at most 64 sources",
        f"43 sources[0].address: found 'here'; allowed: {UNICAST}",
    ]


def test_an_item_that_is_no_mapping_is_not_asked_for_its_keys(problems: Any) -> None:
    found = problems((MAG2, f"{MAG2}  - mag3\n"))
    assert found == [
        "26 mags[2]: found 'mag3'; allowed: a mapping of id, address, management_address, datapath_id, dialect, "
        "option_length_unit, multicast_context, binding_order, mobility_authentication, allowed_prefixes, switch"
    ]


def test_a_long_value_is_shown_shortened_on_one_line(problems: Any) -> None:
    found = problems(("dialect: draft", f'dialect: "{"x" * 200}\\n"'))
    assert found == [f"6 domain.dialect: found '{'x' * 60}'... (201 characters); allowed: draft or rfc"]


def test_two_mobile_nodes_have_no_ipv4_address_in_common(problems: Any) -> None:
    both = [
        (given, f"{given}\n    ipv4_home_address: {address}")
        for given, address in (
            ("link_layer_id: 02:00:00:00:00:11", "192.0.2.1/24"), ("link_layer_id: 02:00:00:00:00:12", "192.0.2.1/25"),
        )
    ]
    assert problems(*both) == [
        "37 mobile_nodes[1].ipv4_home_address: found 192.0.2.1, already used by mobile_nodes[0]; "
        "allowed: an IPv4 address that no other mobile node has"
    ]
