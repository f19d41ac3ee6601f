"""A detection whose query is small: it finds every start that succeeded."""

import shutil
from pathlib import Path

from tests.detect.shipped import FOLDER, copied, without_runbook

SMALL = """\
WITH starts AS (
  SELECT e.* FROM events AS e
  WHERE LOWER(e.event_type) = 'user.session.start'
    AND e.outcome_result = 'SUCCESS'
    AND e.event_ms >= $from AND e.event_ms < $to
)
SELECT
  NULL AS skip_reason, s.uuid AS uuid, s.event_ms AS event_ms, 'step_up' AS mfa_status,
  'low' AS severity, 'high' AS confidence, NULL AS confidence_reasons, NULL AS mfa_link,
  NULL AS mfa_event, NULL AS explanation, NULL AS annotations, NULL AS policy_event,
  NULL AS policy_link, NULL AS policy_result, NULL AS policy_id, NULL AS policy_name,
  NULL AS rule_id, NULL AS rule_name, s.actor_login AS user_email, s.actor_id AS actor_id,
  s.client_ip AS source_ip, s.user_agent AS user_agent, s.session_id AS external_session_id,
  s.transaction_id AS transaction_id, s.request_uri AS request_uri
FROM starts AS s
"""


def small(content: Path) -> Path:
    """Return the folder of the detection in ``content``; it has no case and no runbook."""
    folder = without_runbook(copied(content / "detections"))
    shutil.copy(FOLDER.parent.parent / "templates.yml", content)
    (folder / "query.sql").write_text(SMALL, encoding="utf-8")
    for case in (folder / "cases").iterdir():
        case.unlink()
    return folder
