# SPDX-License-Identifier: Apache-2.0
"""What a MAG tells the controller after every hello, so that a restarted LMA knows it all."""

from __future__ import annotations

from southbound.agent.access import AccessLinks
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import Command, NotifyController
from southbound.agent.departed import DepartedContexts
from southbound.agent.handovers import Handovers
from southbound.agent.tunnel_proxy import TunnelProxy
from southbound.rpc import methods


class Synchronisation:
    """Reads what the machines of one MAG know."""

    def __init__(
        self,
        links: AccessLinks,
        bindings: BindingUpdateList,
        handovers: Handovers,
        departed: DepartedContexts,
        proxy: TunnelProxy,
    ) -> None:
        self._links, self._bindings, self._handovers = links, bindings, handovers
        self._departed, self._proxy = departed, proxy

    def after_hello(self, now: float) -> list[Command]:
        """What is on our links, who is kept, what is under way; every binding anew, and what was asked, again."""
        commands: list[Command] = []
        attached = self._links.attached()
        for profile in attached:
            call = methods.MobileNodeAttached(mn_id=profile.id, access_port=profile.access_port())
            memberships = self._links.memberships(profile.id)
            report = methods.MembershipReported(mn_id=profile.id, memberships=memberships)
            commands += [NotifyController(call=call), NotifyController(call=report)]
        running = [*self._handovers.previous.running(), *self._handovers.intake.running()]
        commands += [NotifyController(call=call) for call in running]
        told = methods.Synchronised(
            attached=tuple(profile.id for profile in attached), handovers=tuple(call.handover_id for call in running)
        )
        commands.append(NotifyController(call=told))
        # Whoever is kept for its next MAG is not attached, so it is told after what drops those that are not.
        commands += [
            NotifyController(call=methods.MobileNodeRetained(mn_id=mn_id, memberships=memberships))
            for mn_id, memberships in [
                *((departed.profile.id, departed.memberships) for departed in self._departed.retained()),
                *self._handovers.leaving.retained(),
            ]
        ]
        asked_again = [*self._handovers.intake.resume(), *self._handovers.previous.resume()]
        return [*commands, *self._bindings.resend_all(now), *self._proxy.restate(now), *asked_again]
