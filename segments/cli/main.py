"""The group of all commands: the module and the help text of each.

A command's module is imported when the command is called, because all of them together take two seconds of CPU.
"""

from __future__ import annotations

from importlib import import_module

import click

# Name -> module:function in segments.cli, and the first sentence of its help; a test compares them.
COMMANDS = {
    "analyst": ("analysts:analyst", "Manage which Postgres roles can read which networks."),
    "api": ("run:api", "Serve the HTTP API."),
    "apply": ("apply:apply", "Change a network's segments to the state in a YAML file."),
    "as-of": ("as_of:as_of", "Show who was in a segment at a time, as known then or now, or as shown with a snapshot."),
    "audit": ("audit:audit", "Compare all rows of the log with what was sealed."),
    "config": ("config:config", "List every setting: name, meaning, default, value (without secrets)."),
    "drill": ("drill:drill", "Rehearse a restore, without touching what runs."),
    "erase": ("erase:erase", "Erase a person: blank the identifier and the free text, and print a receipt."),
    "explain": ("inspect:explain", "Show why a user is in a segment or not."),
    "export": ("export:export", "Export the log and the views to a folder, as Parquet with a manifest."),
    "fold": ("fold:fold", "Fold an export to membership, override, membership_history and result, as Parquet."),
    "import": ("import_file:import_", "Publish the commands of a CSV or NDJSON file."),
    "import-log": ("import_log:import_log", "Load the log of an export into an empty database, and rebuild the views."),
    "ingest": ("run:ingest", "Append commands from Kafka to the log."),
    "key": ("keys:key", "Create, list and revoke API keys."),
    "lane": ("lanes:lane", "List lanes, adopt a remade topic, skip records."),
    "memberships": ("memberships:memberships", "Maintain the topic <prefix>.memberships."),
    "project": ("run:project", "Keep the reporting views up to date."),
    "prove": ("audit:prove", "Write a proof that a record is in the log, with what it said."),
    "rebuild": ("inspect:rebuild", "Rebuild a projection from the whole log."),
    "rejected": ("rejections:rejected", "List, show and retry rejected records."),
    "replay": ("replay:replay", "Publish events again, as commands, to a topic of another installation."),
    "retroactive": ("retroactive:retroactive", "Show which days moved since a report, why, and who sent it."),
    "run": ("run:run", "Run API, ingest and projections in one process, and the sealer if SEGMENTS_SEAL_DIR is set."),
    "seal": ("seal:seal", "Sign the log, make the key, begin a new log."),
    "segment": ("registry:segment", "Create, list, edit, archive and restore segments."),
    "send": ("send:send", "Publish one command and print its position."),
    "setup": ("setup:setup", "Create or update roles, tables and topics."),
    "source": ("sources:source", "Manage the topics that commands are read from, and what each may publish."),
    "status": ("inspect:status", "Show lanes, lag and freshness."),
    "verify": ("inspect:verify", "Compare every view with the fold of the log."),
}  # fmt: skip


class _Main(click.Group):
    """A group that knows the names and first sentences of its commands, and imports only the one that is called."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, placeholder, rest = super().resolve_command(ctx, args)
        if name is None or placeholder is None:
            return name, placeholder, rest
        module, _, function = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(f"segments.cli.{module}"), function)
        return name, command, rest


@click.group(
    "segments",
    cls=_Main,
    commands=[click.Command(name, help=text) for name, (_, text) in COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="segments")
def main() -> None:
    """Event-sourced user segments: who is in, who is overridden, since when and why."""
