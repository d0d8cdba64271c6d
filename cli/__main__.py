# SPDX-License-Identifier: Apache-2.0
"""The `castover` command. Each part adds its own commands to the one group."""

from __future__ import annotations

import os
import signal
import sys

# The script starts us with Ctrl-C ignored, and says whether that is its own doing.
_loading = __name__ == "__main__" and (
    os.environ.pop("CASTOVER_INTERRUPTIBLE", "") != "" or signal.getsignal(signal.SIGINT) is signal.default_int_handler
)
if _loading:
    # Ctrl-C while modules are still being loaded: there is nothing to clean up, and a traceback says nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    import click

    from bench.cli import bench
    from cli.config import config
    from cli.handover import handover
    from cli.token import token
    from cli.trace import trace
    from containers.cli import containers
    from lab.cli import lab
    from lab.demo_cli import demo
    from lab.radio_cli import radio
    from lab.typed import castover_command
    from lab.view_cli import view
    from node.process_cli import agent, controller
    from node.switch_cli import switch
    from southbound.version import VERSION
except ModuleNotFoundError as error:
    # One of our own modules that is missing is a fault of ours, and shown as one.
    ours = ("apps", "bench", "castover_client", "cli", "containers", "controller", "lab", "node", "southbound", "topology")
    if (error.name or "").partition(".")[0] in ours:
        raise
    sys.exit(f"castover is not installed yet ({error.name} is missing): run make install")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="castover")
def castover() -> None:
    """Castover: lossless predictive handover of multicast listeners for Proxy Mobile IPv6."""


castover.add_command(agent)
castover.add_command(bench)
castover.add_command(config)
castover.add_command(containers)
castover.add_command(controller)
castover.add_command(demo)
castover.add_command(lab)
lab.add_command(radio)
castover.add_command(handover)
castover.add_command(switch)
castover.add_command(token)
castover.add_command(trace)
castover.add_command(view)

if __name__ == "__main__":
    if _loading:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    castover(prog_name=castover_command())
