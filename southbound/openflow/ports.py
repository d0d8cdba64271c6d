# SPDX-License-Identifier: Apache-2.0
"""Port names against port numbers: which rules can be installed with the ports that are there, and what a rule that
was installed for a port is called after that port has gone or has been given another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from southbound.openflow.rules import Action, Bucket, FlowRule, Group, OpenFlowInvariantError, OutputPort, SwitchRules

_NUMBER_MARK = "#"


def port_name(number: int, names: Mapping[int, str]) -> str:
    """The name of the port with this number, or '#<number>' when there is no such port."""
    return names.get(number) or f"{_NUMBER_MARK}{number}"


def port_number(name: str, ports: Mapping[str, int]) -> int:
    """The number of a port by its name or '#<number>'. Raises OpenFlowInvariantError for a port that is not there."""
    if name in ports:
        return ports[name]
    digits = name.removeprefix(_NUMBER_MARK)
    if digits != name and digits.isascii() and digits.isdigit():
        return int(digits)
    raise OpenFlowInvariantError(f"port {name!r} is needed by a rule and not on the switch")


def installable(rules: SwitchRules, ports: Mapping[str, int]) -> tuple[SwitchRules, frozenset[str]]:
    """(what can be installed now, the ports that the rest waits for). Buckets and flows wait, groups do not."""
    missing = rules.ports() - ports.keys()
    if not missing:
        return rules, frozenset()
    flows = frozenset(flow for flow in rules.flows if not flow.ports() & missing)
    groups = frozenset(
        replace(group, buckets=frozenset(bucket for bucket in group.buckets if not bucket.ports() & missing))
        for group in rules.groups
    )
    return SwitchRules(flows=flows, groups=groups), missing


def renamed(rules: SwitchRules, before: Mapping[str, int], after: Mapping[str, int]) -> SwitchRules:
    """Installed rules, made with the numbers of `before`, in the names of `after`."""
    if before == after:
        return rules
    names = {number: name for name, number in after.items()}

    def new_name(port: str) -> str:
        return port_name(port_number(port, before), names)

    def new_action(action: Action) -> Action:
        return OutputPort(port=new_name(action.port)) if isinstance(action, OutputPort) else action

    def new_flow(flow: FlowRule) -> FlowRule:
        in_port = flow.match.in_port
        match = flow.match if in_port is None else replace(flow.match, in_port=new_name(in_port))
        return replace(flow, match=match, actions=tuple(map(new_action, flow.actions)))

    def new_bucket(bucket: Bucket) -> Bucket:
        return replace(bucket, actions=tuple(map(new_action, bucket.actions)))

    def new_group(group: Group) -> Group:
        return replace(group, buckets=frozenset(map(new_bucket, group.buckets)))

    return SwitchRules(flows=frozenset(map(new_flow, rules.flows)), groups=frozenset(map(new_group, rules.groups)))
