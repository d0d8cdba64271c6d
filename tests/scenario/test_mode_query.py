# SPDX-License-Identifier: Apache-2.0
"""attach_mode query: the n-MAG knows nothing and asks the MN itself."""

from __future__ import annotations

from controller.commands import HandoverAccepted
from southbound.codec.igmp import Igmpv3Query
from southbound.codec.mld import Mldv2Query
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome
from tests.scenario.mode_script import Opened, first_update, groups_of, said
from tests.support.domain_checks import assert_at_rest, lma_copies, native_copies


def test_the_mobile_nodes_own_answer_is_all_there_is(opened: Opened) -> None:
    domain = opened("query")
    before = len(domain.carried)
    move(domain)
    attached = domain.clock.now
    domain.run_for(0.015)
    asked = [query for at, query in domain.mobile_nodes[MN1].queries if at >= attached]
    assert {type(query) for query in asked} == {Mldv2Query, Igmpv3Query}
    assert all(query.group.is_unspecified for query in asked)
    # Registered, and nothing is known yet: the query is being answered.
    assert domain.bound_at(MN1) == "mag2"
    assert lma_copies(domain, GROUP) == ["mag1"]
    assert groups_of(first_update(domain, before)) == []
    domain.run_for(1.0)
    assert said(domain, before) == [
        ("mag1", "PBU 0", "lma"), ("lma", "PBA", "mag1"), ("mag2", "PBU", "lma"), ("lma", "PBA", "mag2"),
    ]  # fmt: skip
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_without_an_answer_nothing_is_joined(opened: Opened) -> None:
    domain = opened("query")
    domain.mobile_nodes[MN1].answers_queries = False
    move(domain)
    domain.run_for(5.0)
    assert domain.bound_at(MN1) == "mag2"
    assert native_copies(domain, "mag2", GROUP) == []


def test_a_triggered_handover_is_predictive_all_the_same(opened: Opened) -> None:
    domain = opened("query")
    answer = domain.request_handover(MN1, "mag2")
    assert isinstance(answer, HandoverAccepted)
    domain.run_for(0.1)
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, answer.handover_id) == ("completed", None)
    assert domain.handovers()[answer.handover_id]["mode"] == "predictive"
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})
