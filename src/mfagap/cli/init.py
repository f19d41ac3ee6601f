"""``mfagap init``: settings to begin with."""

import argparse
from pathlib import Path
from typing import Any

from mfagap.cli.pipes import show
from mfagap.errors import OutputError, UsageError

TEMPLATE = """\
# Settings of mfagap; docs/settings.md says what each key means.

# Where the events and the state are kept, counted from this file.
state = "mfagap-state"

# Days for which an event is kept. A session is looked at again for 30 days, and its runbook looks
# back 30 days from it, so that less than 60 takes from what is known.
keep_days = 120

# Sessions that one policy rule may let in within 24 hours, before the rule itself is the matter.
flood_limit = 20

# Days for which an exception on alerts may last; see `mfagap suppress add`.
suppression_days = 90

# What is read. Of each kind there may be several, under names of your choice.
[sources.okta]
type = "okta_api"     # credentials: OKTA_CLIENT_ORGURL, OKTA_CLIENT_TOKEN, ... in the environment
# lateness_s = 300    # how late an event may come
# backfill_days = 90  # how much of the log is read the first time
# share_percent = 50  # of the rate limit that is used at most

# [sources.dropped]
# type = "folder"     # files that other tools write, in any shape that `mfagap scan` reads
# path = "logs"       # a folder, file or glob, counted from this file
# lateness_s = 0

# [sources.stream]
# type = "s3"         # or "gcs", "azure"; pip install 'mfagap[object-store]', docs/object-stores.md
# bucket = "example-okta-logs"
# prefix = "okta"     # whole folders
# region = "us-east-1"
# endpoint = "https://minio.example.com"   # of a store that speaks S3; without it, Amazon's
# lateness_s = 360                         # a minute more than what Firehose waits
# backfill_days = 90
# lookback_hours = 24                      # how much of the keys is listed again each time
# list_all_hours = 24                      # how often all of them are

# [sources.blobs]
# type = "azure"
# account = "examplelogs"
# container = "okta"

# Whom to tell. What is secret, such as the URL of a webhook, stands in the environment, and the
# setting names the variable that holds it.
# [routes.soc]
# type = "webhook"
# url_variable = "MFAGAP_WEBHOOK_URL"
# secret_variable = "MFAGAP_WEBHOOK_SECRET"   # whsec_...; signs as standardwebhooks.com has it
# severity = "medium"                         # the least severity that is told

# [routes.chat]
# type = "slack"
# url_variable = "MFAGAP_SLACK_URL"
# severity = "high"

# [routes.mail]
# type = "email"
# host = "smtp.example.com"
# port = 587
# security = "starttls"                       # "tls" for port 465, "none" for plain text
# user = "mfagap"                             # without it nobody logs in
# password_variable = "MFAGAP_MAIL_PASSWORD"
# from = "mfagap@example.com"
# to = "soc@example.com"                      # one address; a route each for more
#                                             # ca_file = "ca.pem" trusts another authority

# [routes.siem]
# type = "syslog"                             # RFC 5424
# host = "syslog.example.com"
# port = 6514
# transport = "tls"                           # "tcp", "udp", or "local" with a path and no host
# format = "ocsf"                             # Detection Findings; "json" has the plain fields
# facility = "local0"
# app_name = "mfagap"
# max_bytes = 8000                            # of one message

# [routes.phone]
# type = "apprise"                            # pip install 'mfagap[apprise]'
# url_variable = "MFAGAP_APPRISE_URL"         # no text from the log is sent there

[routes.log]
type = "file"
path = "mfagap-alerts.jsonl"                  # one JSON line a notice, counted from this file
format = "json"                               # "ocsf" writes Detection Findings
severity = "low"

# How mfagap itself fares, for Prometheus: served by `mfagap serve`, or written after each run.
# [metrics]
# listen = "127.0.0.1:9464"
# file = "mfagap.prom"                        # for node_exporter's textfile collector

# A dead man's switch, such as healthchecks.io: it tells you where no good run comes any more.
# [ping]
# url_variable = "MFAGAP_PING_URL"
# fail = false                                # whether <URL>/fail is told of each failed run

# What an alert gathers, and rows for the lists of a detection; see docs/settings.md.
# [detections.okta_legacy_authn_without_mfa]
# dedup_key = "actor"                         # or "external_session_id"

# [[detections.okta_legacy_authn_without_mfa.lists.trusted_api_tokens]]
# api_token_id = "00T1portal0000000001"       # a back end that signs users in

# [[detections.okta_legacy_authn_without_mfa.lists.prompting_rules]]
# rule_id = "0pr1example000000001"            # asks for a factor once per device or session
# lifetime_s = 43200
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "init",
        allow_abbrev=False,
        help="write settings to begin with",
        description="Write a commented settings file.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("mfagap.toml"),
        metavar="FILE",
        help="default: %(default)s",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file.

    Raises:
        UsageError: It is there already.
        OutputError: It cannot be written.
    """
    file: Path = arguments.file
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already; nothing was changed") from error
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from error
    show(f"{file} is written; next: mfagap doctor --config {file}", err=True)
    return 0
