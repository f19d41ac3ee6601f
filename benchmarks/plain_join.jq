# The plain join of plain_join.py, for `jq -n -f`.
reduce inputs as $event (
  {started: {}, passed: {}};
  $event.authenticationContext.externalSessionId as $session
  | if $event.eventType == "user.session.start" then
      if $event.outcome.result == "SUCCESS" and ($session | startswith("102"))
      then .started[$session] += 1 else . end
    elif $event.eventType == "user.authentication.auth_via_mfa" then .passed[$session] = true
    else . end
)
| .passed as $passed
| [.started | to_entries[] | select($passed[.key] | not) | .value] | add // 0
