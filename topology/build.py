# SPDX-License-Identifier: Apache-2.0
"""A document that passed every check -> the frozen `Domain`."""

from __future__ import annotations

from typing import TypeVar

from topology import derive
from topology.model import Controller, Domain, Link, Lma, Mag, MobileNode, Route, Source, Subscription
from topology.rest_model import Rest, Tls, Token, Webhook
from topology.rest_schema import RestSection, WebhookSection
from topology.schema import ControllerSection, Document, LinkSection, LmaSection, MobileNodeSection, SubscriptionSection

_Value = TypeVar("_Value")


def build(document: Document) -> Domain:
    """The model of the document. Call it only when `validate` and `cross_check` found nothing."""
    domain = _there(document.domain)
    lma_gre_key, mag_gre_key = derive.gre_keys(document)
    datapath_ids = [datapath_id.value for datapath_id in derive.datapath_ids(document)]
    mags = tuple(
        Mag(
            id=_there(mag.id),
            index=index,
            address=_there(mag.address),
            management_address=_there(mag.management_address),
            datapath_id=datapath_id,
            dialect=mag.dialect,
            option_length_unit=mag.option_length_unit,
            multicast_context=mag.multicast_context is not False,
            binding_order=mag.binding_order,
            mobility_authentication=mag.mobility_authentication is not False,
            allowed_prefixes=derive.ALLOWED_PREFIXES
            if mag.allowed_prefixes is None
            else tuple(_there(network) for network in mag.allowed_prefixes),
            switch=derive.switch_names(mag.switch),
        )
        for index, (mag, datapath_id) in enumerate(zip(_there(document.mags), datapath_ids[2:], strict=True), start=1)
    )
    mag_ids = tuple(mag.id for mag in mags)
    return Domain(
        name=_there(domain.name),
        dialect=domain.dialect or derive.DIALECT,
        option_length_unit=domain.option_length_unit or derive.OPTION_LENGTH_UNIT,
        lma_gre_key=lma_gre_key,
        mag_gre_key=mag_gre_key,
        transport_network=_there(domain.transport_network),
        management_network=_there(domain.management_network),
        controller=_controller(_there(document.controller)),
        lma=_lma(_there(document.lma), datapath_ids[0], datapath_ids[1]),
        mags=mags,
        mobile_nodes=tuple(_mobile_node(profile, mag_ids) for profile in document.mobile_nodes or ()),
        sources=tuple(Source(**derive.given(source)) for source in document.sources or ()),
        links=tuple(_link(link) for link in document.links or ()),
        timers=derive.timers(document),
        limits=derive.limits(document),
        attach_mode=domain.attach_mode or derive.ATTACH_MODE,
        binding_order=domain.binding_order or derive.BINDING_ORDER,
        gre_key_option=domain.gre_key_option or derive.GRE_KEY_OPTION,
        mobility_key_file=domain.mobility_key_file,
        mld_fast_leave=bool(domain.mld_fast_leave),
        transport_mtu=domain.transport_mtu or derive.TRANSPORT_MTU,
        rest=_rest(document.rest),
    )


def _controller(section: ControllerSection) -> Controller:
    fields = derive.given(section)
    if "rest" in fields:
        fields["rest_host"], fields["rest_port"] = fields.pop("rest")
    return Controller(**fields)


def _rest(section: RestSection | None) -> Rest:
    if section is None:
        return Rest()
    tls = None if section.tls is None else Tls(**derive.given(section.tls))
    return Rest(
        insecure=bool(section.insecure),
        tokens=tuple(Token(**derive.given(token)) for token in section.tokens or ()),
        tls=tls,
        webhooks=tuple(_webhook(webhook) for webhook in section.webhooks or ()),
    )


def _webhook(section: WebhookSection) -> Webhook:
    fields = derive.given(section)
    if "events" in fields:
        fields["events"] = tuple(fields["events"])
    return Webhook(**fields)


def _lma(section: LmaSection, datapath_id: int, transport_datapath_id: int) -> Lma:
    return Lma(
        id=_there(section.id),
        address=_there(section.address),
        management_address=_there(section.management_address),
        datapath_id=datapath_id,
        transport_datapath_id=transport_datapath_id,
        home_network_prefix_pool=tuple(_there(network) for network in section.home_network_prefix_pool or ()),
        routes=tuple(Route(**derive.given(route)) for route in section.routes or ()),
        multicast_signalling=section.multicast_signalling is not False,
        advertise_home_networks=section.advertise_home_networks is not False,
        switch=derive.switch_names(section.switch),
    )


def _mobile_node(section: MobileNodeSection, mag_ids: tuple[str, ...]) -> MobileNode:
    mn_id = _there(section.id)
    named = tuple(_there(mag_id) for mag_id in section.mags or ())
    return MobileNode(
        id=mn_id,
        name=derive.mobile_node_name(mn_id),
        link_layer_id=_there(section.link_layer_id),
        home_network_prefixes=derive.home_network_prefixes(section),
        ipv4_home_address=section.ipv4_home_address,
        attached_to=_there(section.attached_to),
        mags=mag_ids if section.mags is None else named,
        mobility_service=section.mobility_service is not False,
        allowed_groups=derive.ALLOWED_GROUPS
        if section.allowed_groups is None
        else tuple(network for network in section.allowed_groups if network is not None),
        subscriptions=tuple(_subscription(subscription) for subscription in section.subscriptions or ()),
    )


def _subscription(section: SubscriptionSection) -> Subscription:
    if section.group is None:
        raise RuntimeError("a checked subscription lacks its group")
    sources = frozenset(source for source in section.sources or () if source is not None)
    return Subscription(group=section.group, sources=sources)


def _link(section: LinkSection) -> Link:
    fields = derive.given(section)
    if section.between is not None:
        first, second = section.between
        fields["between"] = (_there(first), _there(second))
    return Link(**fields)


def _there(value: _Value | None) -> _Value:
    """A required value of a checked document. That it is there is our own doing, so its absence is our fault."""
    if value is None:
        raise RuntimeError("a checked topology lacks a required value")
    return value
